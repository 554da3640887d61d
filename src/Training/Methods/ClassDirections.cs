using Pascl.Training.Interop;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Pascl.Training.Methods;

/// <summary>
/// The classes as von Mises-Fisher distributions of features (PATT; He et al., arXiv 2408.06742). With a_c the mean of all features of a class so far, every image counting alike,
/// R_c = |a_c| and d the features:
/// <code>
/// mu_c = a_c / R_c        kappa_c = d R_c / (1 - R_c^2), at most 1e5, and 1e5 where R_c is 1 or more
/// s_c(f) = log C_d(kappa_c) - log C_d( |kappa_c mu_c + f / t| )        the logarithm of the mean of exp(f . x / t) over the distribution
/// log C_d(k) = nu log k - log I_nu(k) - (d / 2) log 2 pi,  nu = d / 2 - 1
/// </code>
/// In double on every device. No gradient flows into the means, which are in the network's state, and so in checkpoints.
/// </summary>
internal sealed class ClassDirections
{
    private const double MostConcentrated = 1e5;

    private readonly Tensor means;
    private readonly Tensor counts;
    private readonly double temperature;
    private readonly bool normalises;
    private readonly double[] seen;

    /// <summary>Begins with the means of a network; how many images they are of is read once.</summary>
    /// <param name="means">(C, d): a; changed by <see cref="Follow"/>.</param>
    /// <param name="counts">(C): features that each is the mean of; 0 for one that the first replaces. Changed likewise.</param>
    /// <param name="temperature">t.</param>
    /// <param name="normalises">Whether features are scaled to unit length.</param>
    public ClassDirections(Tensor means, Tensor counts, double temperature, bool normalises)
    {
        (this.means, this.counts, this.temperature, this.normalises) = (means, counts, temperature, normalises);
        using var scope = NewDisposeScope();
        seen = counts.detach().to(ScalarType.Float64).cpu().data<double>().ToArray();
    }

    /// <summary>Features as the distributions are of them, in double.</summary>
    public Tensor Prepared(Tensor features)
    {
        var values = features.to(ScalarType.Float64);
        return normalises ? functional.normalize(values) : values;
    }

    /// <summary>Lets the means follow a batch.</summary>
    /// <param name="features">(N, d), prepared.</param>
    /// <param name="classes">(N): their classes, on the host, so that nothing is read back.</param>
    public void Follow(Tensor features, IReadOnlyList<int> classes)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var (weights, kept, added) = (new double[seen.Length * classes.Count], new double[seen.Length], new double[seen.Length]);
        Array.Fill(kept, 1);
        foreach (var members in Enumerable.Range(0, classes.Count).GroupBy(image => classes[image]))
        {
            var all = seen[members.Key] + members.Count();
            kept[members.Key] = seen[members.Key] / all;
            added[members.Key] = members.Count();
            seen[members.Key] = all;
            foreach (var image in members)
            {
                weights[(members.Key * classes.Count) + image] = 1 / all;
            }
        }

        var device = features.device;
        var ofBatch = HostUpload.Vector(weights, device).reshape(seen.Length, classes.Count).mm(features.detach()); // (C, d)
        means.mul_(HostUpload.Vector(kept, device).unsqueeze(1)).add_(ofBatch);
        counts.add_(HostUpload.Vector(added, device));
    }

    /// <summary>(N, C): s.</summary>
    /// <param name="features">(N, d), prepared.</param>
    public Tensor Logits(Tensor features)
    {
        using var scope = NewDisposeScope();
        var order = (means.shape[1] / 2.0) - 1;
        var (direction, kappa) = Concentrated();
        var products = features.mm(direction.t()) / temperature; // (N, C), kappa mu . f / t
        var lengths = (kappa.square() + (2 * products) + (features.square().sum(dim: 1, keepdim: true) / (temperature * temperature))).clamp_min(1e-12).sqrt();
        return (LogBessel.Of(order, lengths) - LogBessel.Of(order, kappa)).MoveToOuterDisposeScope();
    }

    /// <summary>kappa mu, (C, d), and kappa, (C).</summary>
    internal (Tensor Direction, Tensor Kappa) Concentrated()
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var length = means.norm(1); // (C), R
        var room = (1 - length.square()).clamp_min(1e-12);
        var kappa = (means.shape[1] * length / room).clamp_max(MostConcentrated);
        var direction = means * (kappa / length.clamp_min(1e-12)).unsqueeze(1);
        return (direction.MoveToOuterDisposeScope(), kappa.MoveToOuterDisposeScope());
    }
}

/// <summary>
/// log I_nu(x) - nu log x, I the modified Bessel function of the first kind, without I itself, which overflows. For orders of 30 and more by the uniform expansion (Olver; DLMF
/// 10.41.3), with z = x / nu, w = sqrt(1 + z^2), p = 1 / w:
/// <code>
/// log I_nu(x) = nu ( w + log( z / (1 + w) ) ) - 1/2 log( 2 pi nu ) - 1/2 log w + log sum_k u_k(p) / nu^k
/// u_0 = 1,  u_k+1(p) = 1/2 p^2 (1 - p^2) u_k'(p) + 1/8 integral from 0 to p of (1 - 5 q^2) u_k(q) dq
/// </code>
/// Below, from such an order downwards by r_m = 1 / (2 m / x + r_m+1), r_m = I_m / I_m-1. The relative error of I is below 1e-11. The slope is r_nu+1 = I_nu+1 / I_nu.
/// </summary>
internal static class LogBessel
{
    private const int LeastOrder = 30;

    // u_k as coefficients of the powers of p.
    private static readonly double[][] Polynomials = Expansion(terms: 9);

    /// <summary>The value at each element, float64; differentiable once.</summary>
    /// <param name="order">nu, at least -1/2.</param>
    /// <param name="x">At least 0; taken as 1e-6 below that, where the value has its limit already.</param>
    public static Tensor Of(double order, Tensor x)
    {
        using var scope = NewDisposeScope();
        var (value, ratio) = ValueAndRatio(order, x);
        return (value + (ratio * (x - x.detach()))).MoveToOuterDisposeScope();
    }

    /// <summary>The value, and I_nu+1 / I_nu; without gradients.</summary>
    internal static (Tensor Value, Tensor Ratio) ValueAndRatio(double order, Tensor x)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        var argument = x.detach().clamp_min(1e-6);
        var above = Math.Max(0, (int)Math.Ceiling(LeastOrder - order));
        var logarithm = Uniform(order + above, argument);
        var ratio = (Uniform(order + above + 1, argument) - logarithm).exp();
        for (var m = order + above; m > order + 0.5; m--)
        {
            ratio = ((2 * m / argument) + ratio).reciprocal();
            logarithm -= ratio.log();
        }

        return ((logarithm - (order * argument.log())).MoveToOuterDisposeScope(), ratio.MoveToOuterDisposeScope());
    }

    private static Tensor Uniform(double order, Tensor x)
    {
        var z = x / order;
        var w = (1 + z.square()).sqrt();
        var p = w.reciprocal();
        var sum = ones_like(p);
        for (var k = 1; k < Polynomials.Length; k++)
        {
            var polynomial = zeros_like(p);
            foreach (var coefficient in Polynomials[k].Reverse())
            {
                polynomial = (polynomial * p) + coefficient;
            }

            sum += polynomial / Math.Pow(order, k);
        }

        return (order * (w + (z / (1 + w)).log())) - (0.5 * Math.Log(2 * Math.PI * order)) - (0.5 * w.log()) + sum.log();
    }

    private static double[][] Expansion(int terms)
    {
        var polynomials = new List<double[]> { new double[] { 1 } };
        while (polynomials.Count < terms)
        {
            var (last, next) = (polynomials[^1], new double[polynomials[^1].Length + 3]);
            for (var power = 0; power < last.Length; power++)
            {
                next[power + 1] += last[power] * ((0.5 * power) + (0.125 / (power + 1)));
                next[power + 3] -= last[power] * ((0.5 * power) + (0.625 / (power + 3)));
            }

            polynomials.Add(next);
        }

        return [.. polynomials];
    }
}
