namespace Pascl.Tests.Kernels;

/// <summary>Inputs of the contrastive loss with unit rows, and the bounds that rounding analysis gives for a result computed from them.</summary>
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

    /// <summary>Bound of the loss's error.</summary>
    /// <param name="productError">Bound of the error of an inner product of two rows.</param>
    public double LossBound(double productError)
    {
        var (sums, weights) = Sums();
        var relative = SumError(productError);
        var bound = 0.0;
        for (var i = 0; i < Anchors; i++)
        {
            var logSum = Math.Abs(Math.Log(sums[i]));
            var ofSums = Tolerance.Sum(Tolerance.Single, Count + Width + 8) * ((2 / Temperature) + logSum);
            bound += weights[i] * ((relative / (1 - relative)) + Tolerance.Logarithm(Tolerance.Single, logSum) + ofSums);
        }

        return bound / Math.Max(1, Anchors);
    }

    /// <summary>Bounds of the errors of the gradient, (rows, width).</summary>
    /// <param name="productError">Bound of the error of an inner product of two rows.</param>
    /// <param name="factorError">Bound of the relative error with which a factor of the second product is rounded.</param>
    public double[] GradientBounds(double productError, double factorError)
    {
        var (sums, weights) = Sums();
        var sumError = SumError(productError);
        var relative = ((1 + ExponentialError(productError)) * (1 + (sumError / (1 - sumError))) * (1 + factorError) * (1 + factorError)) - 1
            + Tolerance.Sum(Tolerance.Single, (3 * Count) + 8);
        var classSums = new double[Classes, Width];
        var counts = new int[Classes];
        for (var i = 0; i < Anchors; i++)
        {
            counts[Labels[i]]++;
            for (var k = 0; k < Width; k++)
            {
                classSums[Labels[i], k] += Rows[(i * Width) + k];
            }
        }

        double Slope(int i) => i < Anchors && counts[Labels[i]] > 1 ? weights[i] / (Anchors * sums[i]) : 0;
        var bounds = new double[Rows.Length];
        for (var i = 0; i < Count; i++)
        {
            for (var j = 0; j < Count; j++)
            {
                var weighted = i == j ? 0 : (Slope(i) + Slope(j)) * Exponential(i, j);
                for (var k = 0; k < Width; k++)
                {
                    bounds[(i * Width) + k] += relative * weighted * Math.Abs(Rows[(j * Width) + k]) / Temperature;
                }
            }

            for (var k = 0; i < Anchors && counts[Labels[i]] > 1 && k < Width; k++)
            {
                var sizes = Math.Abs(classSums[Labels[i], k]) + Math.Abs(Rows[(i * Width) + k]);
                bounds[(i * Width) + k] += Tolerance.Sum(Tolerance.Single, 8) * 2 * weights[i] / (Anchors * (counts[Labels[i]] - 1.0)) * sizes / Temperature;
            }
        }

        return bounds;
    }

    private double ExponentialError(double productError) => Math.Exp(productError / Temperature) - 1 + Tolerance.Exponential(Tolerance.Single, 2 / Temperature);

    private double SumError(double productError) => ExponentialError(productError) + Tolerance.Sum(Tolerance.Single, Count);

    private double Exponential(int i, int j)
    {
        var product = 0.0;
        for (var k = 0; k < Width; k++)
        {
            product += (double)Rows[(i * Width) + k] * Rows[(j * Width) + k];
        }

        return Math.Exp((product - 1) / Temperature);
    }

    private (double[] Sums, double[] Weights) Sums() => (
        [.. Enumerable.Range(0, Anchors).Select(i => Enumerable.Range(0, Count).Where(j => j != i).Sum(j => Exponential(i, j)))],
        [.. Labels.Select(label => Weights.Length == 0 ? 1.0 : Weights[label])]);
}
