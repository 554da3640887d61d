using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels;

/// <summary><see cref="Similarity"/> and <see cref="MaskedLoss"/> together are the contrastive loss of the authors' code.</summary>
[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class SimilarityLossGoldenTests(string name)
{
    private KernelDevice Device => Devices.Get(name);

    [Test]
    public void the_unfused_pair_agrees_with_the_authors_code(
        [Values("two-samples-one-class", "one-sample", "all-distinct-classes", "cifar10-like-small")] string golden,
        [Values] SimilarityVariant similarity,
        [Values] MaskedLossVariant loss)
    {
        var item = ContrastiveGolden.Read(golden);
        Check(item.Rows, item.Width, item.Labels, item.Temperature, item.Loss, item.Gradient, similarity, loss);
    }

    private void Check(
        double[] rows,
        int width,
        int[] labels,
        float temperature,
        double loss,
        double[] gradient,
        SimilarityVariant similarityVariant,
        MaskedLossVariant lossVariant)
    {
        var (actualLoss, actualGradient) = Run(rows, width, labels, temperature, similarityVariant, lossVariant);
        var columns = rows.Length / width;

        // Rows have unit length, so no similarity is above 1 / temperature. Its error reaches the loss twice, through the logarithm and through the mean.
        var similarityError = (Tolerance.Sum(Tolerance.Single, width + 3) + Tolerance.Single) / temperature;
        var lossError = (2 * similarityError) + Tolerance.RowLoss(Tolerance.Single, columns, 1 / temperature);
        Tolerance.AssertWithin([actualLoss], [loss], [1], lossError + (loss * Tolerance.Sum(Tolerance.Single, labels.Length + 3)));

        // The gradient with respect to the similarities is wrong by this, relative to w/M (p + target), and its products with the rows add their own.
        var exponentialError = Tolerance.Exponential(Tolerance.Single, 2 / temperature);
        var gradientError = similarityError + lossError + exponentialError + Tolerance.Sum(Tolerance.Single, columns + 10);
        Tolerance.AssertWithin(actualGradient, gradient, Scales(rows, width, labels, temperature), gradientError);
    }

    // The products of the gradients that would flow if p and target were added, not subtracted, with absolute values.
    private static double[] Scales(double[] rows, int width, int[] labels, double temperature)
    {
        var anchors = rows[..(labels.Length * width)];
        var columns = rows.Length / width;
        var slopes = MaskedLossReference.Backward(SimilarityReference.Forward(anchors, rows, width, temperature), columns, labels);
        for (var i = 0; i < slopes.Length; i++)
        {
            var (row, column) = (i / columns, i % columns);
            var isPositive = column != row && column < labels.Length && labels[column] == labels[row];
            slopes[i] = Math.Abs(slopes[i]) + (isPositive ? 2.0 / labels.Length / (labels.Count(label => label == labels[row]) - 1) : 0);
        }

        double[] Magnitudes(double[] values) => Array.ConvertAll(values, Math.Abs);
        var (ofAnchors, ofRows) = SimilarityReference.Backward(slopes, Magnitudes(anchors), Magnitudes(rows), width, temperature);
        return [.. ofRows.Select((scale, i) => i < ofAnchors.Length ? scale + ofAnchors[i] : scale)];
    }

    private (float Loss, float[] Gradient) Run(
        double[] rows, int width, int[] labels, float temperature, SimilarityVariant similarityVariant, MaskedLossVariant lossVariant)
    {
        var columns = rows.Length / width;
        using var all = new MatrixBuffer(Device, columns, width, rows);
        using var classes = Device.Allocate<int>(labels);
        using var similarities = new MatrixBuffer(Device, labels.Length, columns);
        using var slopes = new MatrixBuffer(Device, labels.Length, columns);
        using var state = Device.Allocate<float>(MaskedLoss.StateLength(labels.Length));
        using var loss = Device.Allocate<float>(1);
        using var one = Device.Allocate<float>([1f]);
        using var ofAnchors = new MatrixBuffer(Device, labels.Length, width);
        using var ofRows = new MatrixBuffer(Device, columns, width);
        using var maskedLoss = new MaskedLoss(Device, lossVariant);
        var similarity = new Similarity(Device, similarityVariant);
        var anchors = all.Matrix with { Rows = labels.Length };

        similarity.Forward(anchors, all.Matrix, temperature, similarities.Matrix);
        maskedLoss.Forward(similarities.Matrix, classes.Vector, default, state.Vector, loss.Vector);
        maskedLoss.Backward(similarities.Matrix, classes.Vector, default, state.Vector, one.Vector, slopes.Matrix);
        similarity.Backward(slopes.Matrix, anchors, all.Matrix, temperature, ofAnchors.Matrix, ofRows.Matrix);
        var anchorsGradient = ofAnchors.Read();
        return (loss.ToArray()[0], [.. ofRows.Read().Select((value, i) => i < anchorsGradient.Length ? value + anchorsGradient[i] : value)]);
    }
}
