namespace Pascl.Training.Pickling;

/// <summary>The only names that a pickle may ask for.</summary>
/// <param name="allowed">By module and name: a <see cref="PickledFunction"/> where the pickle may call it, else a value.</param>
/// <param name="purpose">What they make, for the message: <c>NumPy arrays</c>.</param>
internal sealed class PickledNames(IReadOnlyDictionary<string, object> allowed, string purpose)
{
    /// <summary>What a name stands for.</summary>
    /// <exception cref="InvalidDataException">It is not allowed.</exception>
    public object Find(string module, string name) => allowed.TryGetValue($"{module}.{name}", out var value)
        ? value
        : throw new InvalidDataException($"it asks for {PickledText.Shown($"{module}.{name}")}, and only {purpose} are allowed");
}
