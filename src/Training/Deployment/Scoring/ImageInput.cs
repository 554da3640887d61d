namespace Pascl.Training.Deployment.Scoring;

/// <summary>An image that is to be scored.</summary>
/// <param name="Source">Where it is, as the user would write it.</param>
/// <param name="Read">Reads its file; what cannot be read is an <see cref="InputException"/>.</param>
internal sealed record ImageInput(string Source, Func<ReadOnlyMemory<byte>> Read)
{
    /// <summary>What stands for an image that is not there: reading it says why.</summary>
    public static ImageInput Missing(string source, string sentence) => new(source, () => throw new InputException(sentence));
}
