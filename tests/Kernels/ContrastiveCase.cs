namespace Pascl.Tests.Kernels;

/// <summary>Inputs of the contrastive loss with unit rows; <see cref="RoundedContrastiveLoss"/> says what tensor cores make of them.</summary>
internal sealed class ContrastiveCase
{
    public ContrastiveCase(int anchors, int outliers, int width, float temperature, Func<int, int> labelOf, float[]? weights = null)
    {
        (Anchors, Width, Temperature, Weights) = (anchors, width, temperature, weights ?? []);
        Labels = [.. Enumerable.Range(0, anchors).Select(labelOf)];
        Classes = Math.Max(1, Math.Max(Weights.Length, Labels.DefaultIfEmpty().Max() + 1));
        var random = new Random(width + (1000 * anchors) + outliers);
        Rows = new float[(anchors + outliers) * width];
        for (var row = 0; row < anchors + outliers; row++)
        {
            // A share of each row is its class, so that exponentials differ by orders of magnitude.
            var mean = row < anchors ? Labels[row] % width : -1;
            var values = Enumerable.Range(0, width).Select(column => random.NextDouble() - 0.5 + (column == mean ? 2 : 0)).ToArray();
            var norm = Math.Sqrt(values.Sum(value => value * value));
            for (var column = 0; column < width; column++)
            {
                Rows[(row * width) + column] = (float)(values[column] / norm);
            }
        }
    }

    public ContrastiveCase(ContrastiveGolden golden)
    {
        (Anchors, Width, Temperature, Weights, Labels) = (golden.Labels.Length, golden.Width, golden.Temperature, [], golden.Labels);
        Classes = Labels.Max() + 1;
        Rows = Array.ConvertAll(golden.Rows, value => (float)value);
    }

    public int Anchors { get; }

    public int Width { get; }

    public float Temperature { get; }

    public float[] Weights { get; }

    public int[] Labels { get; }

    public int Classes { get; }

    public float[] Rows { get; }

    public int Count => Rows.Length / Width;

    public double[] RowsInDouble => [.. Rows.Select(value => (double)value)];

    public double[] WeightsInDouble => [.. Weights.Select(value => (double)value)];
}
