namespace Pascl.Training.Loss;

/// <summary>The rows of a batch that take part in the contrastive loss: the images of tail classes, which are its anchors, then the outliers.</summary>
/// <param name="Rows">(M + K): their numbers in the batch.</param>
/// <param name="AnchorClasses">(M): the classes of the first M.</param>
internal sealed record ContrastiveParticipants(int[] Rows, int[] AnchorClasses)
{
    /// <summary>Picks them.</summary>
    /// <param name="labels">(N): the classes of the images, which are the first N rows and again the next N.</param>
    /// <param name="rowCount">2N + K.</param>
    /// <param name="isTailClass">(C).</param>
    /// <exception cref="ArgumentException">A label is not one of the C classes.</exception>
    public static ContrastiveParticipants Of(ReadOnlySpan<long> labels, int rowCount, bool[] isTailClass)
    {
        var (rows, classes) = (new List<int>(rowCount), new List<int>());
        for (var row = 0; row < 2 * labels.Length; row++)
        {
            var label = labels[row % labels.Length];
            if (label < 0 || label >= isTailClass.Length)
            {
                throw new ArgumentException($"There is a label {label}, but the classes are 0 to {isTailClass.Length - 1}.");
            }

            if (isTailClass[label])
            {
                rows.Add(row);
                classes.Add((int)label);
            }
        }

        for (var row = 2 * labels.Length; row < rowCount; row++)
        {
            rows.Add(row);
        }

        return new ContrastiveParticipants([.. rows], [.. classes]);
    }
}
