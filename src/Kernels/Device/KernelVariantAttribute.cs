namespace Pascl.Kernels.Device;

/// <summary>Names type arguments with which a generic kernel is used.</summary>
/// <param name="typeArguments">One type per type parameter.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class KernelVariantAttribute(params Type[] typeArguments) : Attribute
{
    /// <summary>One type per type parameter.</summary>
    public IReadOnlyList<Type> TypeArguments { get; } = typeArguments;
}
