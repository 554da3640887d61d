using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Training.Golden;

namespace Pascl.Tests.Kernels;

/// <summary>A batch for the contrastive loss, and what a device may make of it.</summary>
internal sealed record ContrastiveBatch(int Outliers, int Width, int[] Labels, bool[] IsTailClass, double Temperature)
{
    private float[]? features;

    public double[] ClassWeights { get; init; } = [.. Enumerable.Range(0, IsTailClass.Length).Select(label => 0.5 + (label % 3))];

    public uint Seed { get; init; } = 1;

    public float Upstream { get; init; } = 1;

    /// <summary>Whose losses are summed.</summary>
    public AnchorShare Share { get; init; } = AnchorShare.Whole;

    /// <summary>(2N + K, width); rows of unit length unless others are given.</summary>
    public float[] Features
    {
        get => features ??= GoldenInputs.Features(Seed, (2 * Labels.Length) + Outliers, Width);
        init => features = value;
    }

    public int Rows => (2 * Labels.Length) + Outliers;

    private double[] Values => Array.ConvertAll(Features, value => (double)value);

    private int[] Participants => [.. Enumerable.Range(0, Rows).Where(row => Label(row) >= 0 || row >= 2 * Labels.Length)];

    /// <summary>Every image in turn of the next class.</summary>
    public static ContrastiveBatch Of(int images, int outliers, int width, bool[] isTailClass, double temperature = 0.1) =>
        new(outliers, width, [.. Enumerable.Range(0, images).Select(image => image * 7 % isTailClass.Length)], isTailClass, temperature);

    /// <summary>Runs the kernels between poisoned margins.</summary>
    public (float Loss, float[] Gradient) Run(KernelDevice device, FusedContrastiveLossVariant variant = FusedContrastiveLossVariant.Automatic)
    {
        using var operation = new FusedContrastiveLoss(device, Temperature, variant, Share);
        return Run(device, operation);
    }

    /// <summary>The same for kernels that are there, and rows that begin <paramref name="offset"/> elements after an aligned address.</summary>
    public (float Loss, float[] Gradient) Run(KernelDevice device, FusedContrastiveLoss operation, int offset = 0)
    {
        using var rows = new GuardedBuffer<float>(device, Features, offset);
        using var labels = new GuardedBuffer<long>(device, Array.ConvertAll(Labels, label => (long)label), offset);
        using var flags = new GuardedBuffer<byte>(device, Array.ConvertAll(IsTailClass, flag => flag ? (byte)1 : (byte)0), offset);
        using var weights = new GuardedBuffer<float>(device, Array.ConvertAll(ClassWeights, weight => (float)weight), offset);
        using var upstream = new GuardedBuffer<float>(device, [Upstream], offset);
        using var state = new GuardedBuffer<float>(device, (int)operation.StateLength(Labels.Length, Outliers, Width));
        using var loss = new GuardedBuffer<float>(device, 1, offset);
        using var gradient = new GuardedBuffer<float>(device, Rows * Width, offset);
        operation.Forward(rows.Matrix(Rows, Width), labels.Vector, flags.Vector, weights.Vector, loss.Vector, state.Vector);
        operation.Backward(rows.Matrix(Rows, Width), Labels.Length, upstream.Vector, state.Vector, gradient.Matrix(Rows, Width));
        state.CheckMargins();
        return (loss.Read()[0], gradient.Read());
    }

    /// <summary>Fails unless loss and gradient are those of the reference within their rounding.</summary>
    /// <param name="loss">What the kernels wrote.</param>
    /// <param name="gradient">What the kernels wrote.</param>
    /// <param name="everyRowCounts">Whether each exponential is large enough that its absence must show.</param>
    public void AssertAgrees(float loss, float[] gradient, bool everyRowCounts = false)
    {
        var expectedLoss = FusedContrastiveLossReference.ForwardOfBatch(Values, Width, Labels, IsTailClass, Temperature, ClassWeights, Share);
        var expected = FusedContrastiveLossReference.BackwardOfBatch(Values, Width, Labels, IsTailClass, Temperature, ClassWeights, Share);
        var participants = Participants;
        var terms = participants.Length + 4;
        var largest = LargestExponent(participants);
        var exponent = Tolerance.Sum(Tolerance.Single, Width + 2) * largest;
        var exponential = exponent + Tolerance.Exponential(Tolerance.Single, 2 * largest);
        var logarithm = Tolerance.Logarithm(Tolerance.Single, (2 * largest) + Math.Log(terms));
        var sum = exponential + Tolerance.Sum(Tolerance.Single, terms);

        // A row's loss is a logarithm of a sum less a mean of exponents; their mean is taken with the weights.
        var ofLoss = exponent + sum + logarithm + (Tolerance.Sum(Tolerance.Single, terms) * ((2 * largest) + Math.Log(terms)));
        var weight = participants.Where(row => Label(row) >= 0).Select(row => Math.Abs(ClassWeights[Label(row)])).DefaultIfEmpty(0).Average();
        Tolerance.AssertWithin([loss], [expectedLoss], [weight], ofLoss);

        // A slope has an exponential over such a sum, or over its logarithm; then they are summed over the contrasts.
        var ofGradient = exponential + sum + logarithm + exponential + Tolerance.Sum(Tolerance.Single, terms + 4);
        double[] slopes = [.. expected.Select(value => Upstream * value)];
        var scales = GradientScales(participants);
        Tolerance.AssertWithin(gradient, slopes, scales, ofGradient);

        if (!everyRowCounts || loss == 0)
        {
            return;
        }

        // The bounds are far below what a mistake changes: nothing, the opposite, and a batch without its last outlier are refused.
        Tolerance.AssertRefusesNothingAndTheOpposite(slopes, scales, ofGradient);
        if (Outliers > 0)
        {
            var without = FusedContrastiveLossReference.BackwardOfBatch(
                Values.AsSpan(0, Features.Length - Width), Width, Labels, IsTailClass, Temperature, ClassWeights, Share);
            double[] wrong = [.. without.Select(value => Upstream * value), .. new double[Width]];
            Assert.That(Tolerance.Refused(wrong, slopes, scales, ofGradient), Is.Positive, "without the last outlier");
        }
    }

    private int Label(int row) => row < 2 * Labels.Length && IsTailClass[Labels[row % Labels.Length]] ? Labels[row % Labels.Length] : -1;

    // Of sum_k |x_ik x_jk| / temperature, which bounds the exponents and their rounding.
    private double LargestExponent(int[] participants)
    {
        var largest = 0.0;
        foreach (var i in participants.Where(row => Label(row) >= 0))
        {
            foreach (var j in participants)
            {
                var product = Enumerable.Range(0, Width).Sum(k => Math.Abs((double)Features[(i * Width) + k] * Features[(j * Width) + k]));
                largest = Math.Max(largest, product / Temperature);
            }
        }

        return largest;
    }

    // |upstream| / temperature sum_j ( push_ij + pull_ij ) |x_jk|, where the gradient has the difference and the signed x_jk
    private double[] GradientScales(int[] participants)
    {
        var scales = new double[Rows * Width];
        int[] anchors = [.. participants.Where(row => Label(row) >= 0)];
        foreach (var i in anchors)
        {
            var exponents = participants.ToDictionary(
                j => j, j => Enumerable.Range(0, Width).Sum(k => (double)Features[(i * Width) + k] * Features[(j * Width) + k]) / Temperature);
            var largest = exponents.Where(pair => pair.Key != i).Max(pair => pair.Value);
            var sum = exponents.Where(pair => pair.Key != i).Sum(pair => Math.Exp(pair.Value - largest));
            var positives = anchors.Count(j => j != i && Label(j) == Label(i));
            foreach (var j in participants.Where(j => j != i && positives > 0))
            {
                var slope = (Math.Exp(exponents[j] - largest) / sum) + (Label(j) == Label(i) ? 1.0 / positives : 0);
                slope *= Math.Abs(Upstream * ClassWeights[Label(i)]) / anchors.Length / Temperature;
                for (var k = 0; k < Width; k++)
                {
                    scales[(i * Width) + k] += slope * Math.Abs(Features[(j * Width) + k]);
                    scales[(j * Width) + k] += slope * Math.Abs(Features[(i * Width) + k]);
                }
            }
        }

        return scales;
    }
}
