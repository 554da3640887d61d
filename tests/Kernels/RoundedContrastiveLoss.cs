using Pascl.Kernels;

namespace Pascl.Tests.Kernels;

/// <summary>
/// The contrastive loss and its gradient in double precision from the numbers that tensor cores get: rows and weighted exponentials rounded to bfloat16 where the
/// kernels round them. What is left between this and a kernel are float32 sums, products and exponentials, whose errors the bounds add up.
/// </summary>
/// <remarks>
/// With u = 2^-24, n numbers in a sum, and |.| for the same sum over absolute values:
/// <code>
/// product    p_ij = hi_i . hi_j + hi_i . lo_j + lo_i . hi_j     off by 2 n u |p_ij|: tensor cores may cut off where others round, which doubles u
/// exponential     E_ij = exp((p_ij - 1) / T)                    factor exp((error of p_ij + 5 u) / T), and 3 u of ex2.approx
/// sum             Z_i = sum E_ij                                n u Z_i, and its terms' errors
/// weight          H_ij = (v_i + v_j) E_ij, v_i = w_i / (M Z_i)  the relative errors of Z, and 6 u
/// </code>
/// H is rounded to bfloat16 as well. Its error is far smaller than a step of bfloat16, so both ends of its interval round to the same number but for few terms, and
/// those may be off by that step.
/// </remarks>
internal sealed class RoundedContrastiveLoss
{
    // Of tensor cores' sums.
    private const double Unit = 2 * Tolerance.Single;

    private readonly ContrastiveCase inputs;
    private readonly ContrastivePrecision? precision;
    private readonly int missing;
    private readonly double[] high;
    private readonly double[] low;
    private readonly double[,] exponentials;
    private readonly double[,] errors;
    private readonly double[] weights;
    private readonly int[] counts;

    /// <summary>Computes both.</summary>
    /// <param name="inputs">The rows.</param>
    /// <param name="precision">How they are rounded; null for not at all, which is the specification.</param>
    /// <param name="missing">A row whose exponentials are left out, as a kernel with a mistake would; -1 for none.</param>
    /// <param name="withoutRest">Leaves out one of the three products, as a kernel with a mistake would.</param>
    public RoundedContrastiveLoss(ContrastiveCase inputs, ContrastivePrecision? precision, int missing = -1, bool withoutRest = false)
    {
        (this.inputs, this.precision, this.missing) = (inputs, precision, missing);
        high = [.. inputs.Rows.Select(value => precision is null ? value : Round(value))];
        low = [.. inputs.Rows.Select((value, i) => precision == ContrastivePrecision.BFloat16x3 ? Round(value - high[i]) : 0)];
        weights = [.. inputs.Labels.Select(label => inputs.Weights.Length == 0 ? 1.0 : inputs.Weights[label])];
        counts = new int[inputs.Classes];
        Array.ForEach(inputs.Labels, label => counts[label]++);
        (exponentials, errors) = Exponentials(withoutRest);
        var sums = Enumerable.Range(0, inputs.Anchors).Select(i => Enumerable.Range(0, inputs.Count).Sum(j => exponentials[i, j])).ToArray();
        var sumErrors = Enumerable.Range(0, inputs.Anchors).Select(i => RelativeErrorOfSum(i, sums[i])).ToArray();
        (Loss, LossBound) = OfLoss(sums, sumErrors);
        (Gradient, GradientBounds) = OfGradient(sums, sumErrors);
    }

    public double Loss { get; }

    public double LossBound { get; }

    /// <summary>(rows, width).</summary>
    public double[] Gradient { get; }

    /// <summary>(rows, width).</summary>
    public double[] GradientBounds { get; }

    private int Width => inputs.Width;

    // In double: 1 / 0.1f is 10 in float32.
    private double Temperature => inputs.Temperature;

    private int Terms(int ofEachPart) => precision == ContrastivePrecision.BFloat16x3 ? 3 * ofEachPart : ofEachPart;

    private static double Round(double value) => (double)(float)(BFloat16)(float)value;

    private (double[,] Exponentials, double[,] Errors) Exponentials(bool withoutRest)
    {
        var (values, errors) = (new double[inputs.Count, inputs.Count], new double[inputs.Count, inputs.Count]);
        for (var i = 0; i < inputs.Count; i++)
        {
            for (var j = 0; j < inputs.Count; j++)
            {
                double product = 0, size = 0;
                for (int k = 0, left = i * Width, right = j * Width; k < Width; k++, left++, right++)
                {
                    var rest = withoutRest ? 0 : low[left] * high[right];
                    product += (high[left] * (high[right] + low[right])) + rest;
                    size += Math.Abs(high[left] * high[right]) + Math.Abs(high[left] * low[right]) + Math.Abs(low[left] * high[right]);
                }

                var ofExponent = (Tolerance.Sum(Unit, Terms(Width)) * size) + (5 * Tolerance.Single);
                values[i, j] = i == j || j == missing ? 0 : Math.Exp((product - 1) / Temperature);
                errors[i, j] = Math.Exp(ofExponent / Temperature) - 1 + (3 * Tolerance.Single);
            }
        }

        return (values, errors);
    }

    private double RelativeErrorOfSum(int i, double sum) => sum == 0
        ? 0
        : Tolerance.Sum(Tolerance.Single, inputs.Count) + (Enumerable.Range(0, inputs.Count).Sum(j => errors[i, j] * exponentials[i, j]) / sum);

    private bool HasLoss(int i) => i < inputs.Anchors && counts[inputs.Labels[i]] > 1;

    // L = 1/M ( sum_i w_i (1/T + log Z_i + |x_i|^2 / ((n_c - 1) T)) - sum_c w_c |S_c|^2 / ((n_c - 1) T) )
    private (double Loss, double Bound) OfLoss(double[] sums, double[] sumErrors)
    {
        var classSums = ClassSums();
        double loss = 0, size = 0, bound = 0;
        for (var i = 0; i < inputs.Anchors; i++)
        {
            if (!HasLoss(i))
            {
                continue;
            }

            var row = inputs.Rows.AsSpan(i * Width, Width);
            double others = counts[inputs.Labels[i]] - 1, square = 0, attraction = 0;
            for (var k = 0; k < Width; k++)
            {
                square += (double)row[k] * row[k];
                attraction += row[k] * classSums[inputs.Labels[i], k];
            }

            var logSum = Math.Log(sums[i]);
            loss += weights[i] * ((1 / Temperature) + logSum + ((square - attraction) / others / Temperature));

            // |S|^2 is the sum of its anchors' products with S, and positive.
            size += weights[i] * ((1 / Temperature) + Math.Abs(logSum) + (((2 * square) + attraction) / others / Temperature));
            bound += weights[i] * ((sumErrors[i] / (1 - sumErrors[i])) + Tolerance.Logarithm(Tolerance.Single, Math.Abs(logSum)));
        }

        // A thread adds the squares of every 32nd column of every class, then blocks are added.
        var terms = inputs.Count + Width + (counts.Count(count => count > 1) * Width / 32) + 16;
        var anchors = Math.Max(1, inputs.Anchors);
        return (loss / anchors, (bound + (Tolerance.Sum(Tolerance.Single, terms) * size)) / anchors);
    }

    // dX = 1/T ( H X - 2 w_c / (M (n_c - 1)) (S_c - x_i) )
    private (double[] Gradient, double[] Bounds) OfGradient(double[] sums, double[] sumErrors)
    {
        var (gradient, bounds) = (new double[inputs.Rows.Length], new double[inputs.Rows.Length]);
        var sizes = new double[inputs.Rows.Length];
        for (var i = 0; i < inputs.Count; i++)
        {
            for (var j = 0; j < inputs.Count; j++)
            {
                if (i != j && (HasLoss(i) || HasLoss(j)))
                {
                    AddTerm(i, j);
                }
            }
        }

        var classSums = ClassSums();
        for (var at = 0; at < gradient.Length; at++)
        {
            var (i, k) = (at / Width, at % Width);
            bounds[at] += (Tolerance.Sum(Unit, Terms(inputs.Count)) + Tolerance.Sum(Tolerance.Single, 12)) * sizes[at];
            if (HasLoss(i))
            {
                var (sum, attraction) = (classSums[inputs.Labels[i], k], 2 * weights[i] / (inputs.Anchors * (counts[inputs.Labels[i]] - 1.0)));
                gradient[at] -= attraction * (sum - inputs.Rows[at]);
                bounds[at] += Tolerance.Sum(Tolerance.Single, 10) * attraction * (Math.Abs(sum) + Math.Abs(inputs.Rows[at]));
            }
        }

        return ([.. gradient.Select(value => value / Temperature)], [.. bounds.Select(value => value / Temperature)]);

        (double Value, double Error) Slope(int i) => HasLoss(i)
            ? (weights[i] / (inputs.Anchors * sums[i]), sumErrors[i] / (1 - sumErrors[i]))
            : (0, 0);

        void AddTerm(int i, int j)
        {
            var (own, other) = (Slope(i), Slope(j));
            var weighted = (own.Value + other.Value) * exponentials[i, j];
            var error = weighted * (((1 + errors[i, j]) * (1 + Math.Max(own.Error, other.Error))) - 1 + (6 * Tolerance.Single));
            var (factor, rest, uncertain, uncertainOfLow) = Factor(weighted, error);
            for (int k = 0, to = i * Width, from = j * Width; k < Width; k++, to++, from++)
            {
                gradient[to] += (factor * (high[from] + low[from])) + (rest * high[from]);
                bounds[to] += (uncertain * Math.Abs(high[from])) + (uncertainOfLow * Math.Abs(low[from]));
                sizes[to] += weighted * (Math.Abs(high[from]) + (2 * Math.Abs(low[from])));
            }
        }
    }

    // H as it enters a product: its parts, how far their sum may be off, and how far the first alone.
    private (double Factor, double OfRest, double Uncertain, double UncertainOfFactor) Factor(double weighted, double error)
    {
        if (precision is null)
        {
            return (weighted, 0, 0, 0);
        }

        var factor = Round(weighted);
        var steps = Math.Max(Round(weighted + error) - factor, factor - Round(weighted - error));

        // What the second part is off by itself: its argument's error and a step of its own, 2^-8 of at most 2^-8.
        return precision == ContrastivePrecision.BFloat16
            ? (factor, 0, steps, 0)
            : (factor, Round(weighted - factor), error + (2 * Tolerance.BFloat16 * Tolerance.BFloat16 * weighted), steps);
    }

    private double[,] ClassSums()
    {
        var sums = new double[inputs.Classes, Width];
        for (var i = 0; i < inputs.Anchors * Width; i++)
        {
            sums[inputs.Labels[i / Width], i % Width] += inputs.Rows[i];
        }

        return sums;
    }
}
