namespace Pascl.Training;

/// <summary>What can be chosen by name: the parts that come with Pascl, and those that other assemblies add.</summary>
/// <param name="kind">What a part is called in messages, for example <c>method</c>.</param>
/// <param name="nameOf">The name of a part.</param>
/// <param name="parts">Those that come with Pascl, in the order of help texts.</param>
internal sealed class NamedParts<T>(string kind, Func<T, string> nameOf, params T[] parts)
    where T : class
{
    private readonly List<T> all = [.. parts];

    public IReadOnlyList<T> All => all;

    /// <summary>The part of that name.</summary>
    /// <exception cref="InputException">There is none; the message lists them.</exception>
    public T Find(string name) => all.Find(part => nameOf(part) == name)
        ?? throw new InputException($"There is no {kind} {name}; use {string.Join(", ", all.SkipLast(1).Select(nameOf))} or {nameOf(all[^1])}.");

    /// <summary>Adds one.</summary>
    /// <exception cref="ArgumentException">Its name is taken.</exception>
    public void Add(T part)
    {
        if (all.Exists(other => nameOf(other) == nameOf(part)))
        {
            throw new ArgumentException($"There already is a {kind} {nameOf(part)}.", nameof(part));
        }

        all.Add(part);
    }

    public void Remove(T part) => all.Remove(part);
}
