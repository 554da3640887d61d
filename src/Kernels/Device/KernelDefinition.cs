using System.Reflection;
using ILGPU.Runtime;

namespace Pascl.Kernels.Device;

/// <summary>A kernel as it is compiled: a method with its type arguments, and the bounds it declares.</summary>
public sealed record KernelDefinition
{
    private readonly KernelAttribute attribute;
    private readonly KernelVariantAttribute? variant;

    /// <summary>Describes a kernel.</summary>
    /// <param name="method">A static method with a <see cref="KernelAttribute"/>, its type parameters filled in.</param>
    /// <exception cref="ArgumentException">It is not.</exception>
    public KernelDefinition(MethodInfo method)
    {
        attribute = method.GetCustomAttribute<KernelAttribute>()
            ?? throw new ArgumentException($"{method.DeclaringType?.Name}.{method.Name} is not a kernel; a kernel is a static method with the attribute [Kernel].", nameof(method));
        Method = method;
        variant = method.GetCustomAttributes<KernelVariantAttribute>().FirstOrDefault(other => other.TypeArguments.SequenceEqual(method.GetGenericArguments()));
    }

    /// <summary>The compiled method.</summary>
    public MethodInfo Method { get; }

    /// <summary>Operation, kernel and type arguments, for people: <c>DualBatchNorm.Statistics.Float16</c>.</summary>
    public string Name
    {
        get
        {
            var type = Method.DeclaringType!.Name;
            var operation = type.EndsWith("Kernels", StringComparison.Ordinal) ? type[..^"Kernels".Length] : type;
            return string.Join(".", [operation, Method.Name, .. Method.GetGenericArguments().Select(argument => argument.Name)]);
        }
    }

    /// <summary>The most threads of a block.</summary>
    public int Threads => attribute.Threads;

    /// <summary>Blocks whose registers fit on a multiprocessor at once.</summary>
    public int MinimumBlocks => variant?.MinimumBlocks is > 0 and var blocks ? blocks : attribute.MinimumBlocks;

    /// <summary>Whether the kernel needs compute capability 8.0.</summary>
    public bool NeedsTensorCores => attribute.NeedsTensorCores;

    /// <summary>Whether values are computed close to where they are used, even inside a loop, so that fewer registers are taken.</summary>
    public bool SavesRegisters => attribute.SavesRegisters;

    /// <summary>How many instructions the hot loop may have, see <see cref="KernelAttribute.HotLoop"/>; null where nobody has set a bar.</summary>
    public int? HotLoopBar => variant?.HotLoop is > 0 and var bar ? bar : attribute.HotLoop > 0 ? attribute.HotLoop : null;

    /// <summary>Whether other kernels read where it tells them to, see <see cref="KernelAttribute.WritesIndices"/>.</summary>
    internal bool WritesIndices => attribute.WritesIndices;

    /// <summary>Whether the hot loop may divide.</summary>
    public bool MayDivide => attribute.MayDivide;

    /// <summary>Every kernel of this library, in the order of their names.</summary>
    public static IReadOnlyList<KernelDefinition> All() => [.. typeof(KernelDefinition).Assembly.GetTypes()
        .SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
        .Where(method => method.IsDefined(typeof(KernelAttribute)))
        .SelectMany(Variants)
        .Select(method => new KernelDefinition(method))
        .OrderBy(definition => definition.Name, StringComparer.Ordinal)];

    internal KernelSpecialization Specialization => new(Threads, MinimumBlocks);

    private static IEnumerable<MethodInfo> Variants(MethodInfo method) => method.IsGenericMethodDefinition
        ? method.GetCustomAttributes<KernelVariantAttribute>().Select(variant => method.MakeGenericMethod([.. variant.TypeArguments]))
        : [method];
}

/// <summary>Marks a static method as a kernel: explicitly grouped, every thread of every block runs it once.</summary>
/// <param name="threads">The most threads a block of this kernel may have; a multiple of 32.</param>
/// <remarks>
/// Its parameters may be <c>ArrayView&lt;T&gt;</c>, <see cref="int"/>, <see cref="long"/> and <see cref="float"/>. A generic kernel is compiled ahead once
/// per <see cref="KernelVariantAttribute"/>.
/// </remarks>
[AttributeUsage(AttributeTargets.Method)]
public sealed class KernelAttribute(int threads) : Attribute
{
    /// <summary>The most threads of a block.</summary>
    public int Threads { get; } = threads;

    /// <summary>Blocks that should fit on a multiprocessor at once; bounds the registers of a thread.</summary>
    public int MinimumBlocks { get; init; } = 1;

    /// <summary>Whether the kernel needs compute capability 8.0: tensor-core and asynchronous-copy instructions.</summary>
    public bool NeedsTensorCores { get; init; }

    /// <summary>
    /// Whether values are computed close to where they are used. Without it what a loop does not change is computed before the loop, which some kernels have too
    /// few registers for.
    /// </summary>
    public bool SavesRegisters { get; init; }

    /// <summary>Whether other kernels read where it tells them to, so that none of its blocks may be left out where launches are only sampled.</summary>
    public bool WritesIndices { get; init; }

    /// <summary>
    /// The most instructions that the loop where the kernel spends its time may have on compute capability 9.0, or 0 where any number is right; <c>pascl ptx</c>
    /// fails above it. See <see cref="MachineCode.HotLoop"/>.
    /// </summary>
    public int HotLoop { get; init; }

    /// <summary>Whether that loop may call subroutines and divide integers, which <c>pascl ptx</c> does not let pass elsewhere.</summary>
    public bool MayDivide { get; init; }
}

/// <summary>Names type arguments with which a generic kernel is used.</summary>
/// <param name="typeArguments">One type per type parameter.</param>
[AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
public sealed class KernelVariantAttribute(params Type[] typeArguments) : Attribute
{
    /// <summary>One type per type parameter.</summary>
    public IReadOnlyList<Type> TypeArguments { get; } = typeArguments;

    /// <summary>In place of <see cref="KernelAttribute.MinimumBlocks"/>, where it is not 0.</summary>
    public int MinimumBlocks { get; init; }

    /// <summary>In place of <see cref="KernelAttribute.HotLoop"/>, where it is not 0.</summary>
    public int HotLoop { get; init; }
}
