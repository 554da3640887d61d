using Pascl.Training.Data;
using Pascl.Training.Interop;
using static TorchSharp.torch;

namespace Pascl.Training.Methods;

/// <summary>
/// Virtual outliers on the unit sphere of the projections, around the tail classes but outside of them (the idea of VMF-GOS, arXiv 2602.05415, whose rule for the annulus was
/// not at hand). A class is a von Mises-Fisher distribution about mu = m / |m|, with m the running mean of its projections and R = |m| the mean cosine to mu:
/// <code>
/// kappa = R (d - R^2) / (1 - R^2)        (Banerjee et al., JMLR 2005)
/// s     = (1 - R^2) / sqrt(d (1 + R^2) - 3 R^2 + R^4)      the standard deviation of the cosine then: its variance is dR / dkappa
/// z     = cos t mu + sin t u             cos t: uniform in [R - far s, R - near s);  u: a uniform direction at right angles to mu
/// </code>
/// They are contrasts of the contrastive loss, and no gradient flows into the means. The running means are in the network's state, and so in checkpoints.
/// </summary>
internal sealed class ClassAnnulus
{
    // The running mean of a class that never was in a batch is zero.
    private readonly Tensor means;
    private readonly int[] tail;
    private readonly bool[] seen;
    private readonly VirtualOutlierRecipe settings;
    private readonly int count;
    private readonly ulong seed;

    /// <summary>Begins with the means of a network, which are read once.</summary>
    /// <param name="means">(C, d): running means of the projections by class; changed by <see cref="Draw"/>.</param>
    /// <param name="tailFlags">(C): whether a class is one of the tail; the contrastive loss has no other anchors.</param>
    /// <param name="settings">Where the annulus lies, and how fast the means follow.</param>
    /// <param name="count">K, virtual outliers of a batch.</param>
    /// <param name="seed">Seed of the drawing.</param>
    public ClassAnnulus(Tensor means, bool[] tailFlags, VirtualOutlierRecipe settings, int count, ulong seed)
    {
        (this.means, this.settings, this.count, this.seed) = (means, settings, count, seed);
        tail = [.. Enumerable.Range(0, tailFlags.Length).Where(label => tailFlags[label])];
        using var scope = NewDisposeScope();
        seen = means.detach().ne(0).any(1).cpu().data<bool>().ToArray();
    }

    /// <summary>Lets the means follow the batch, then draws its virtual outliers: K unit rows, the tail classes in turns; none before an image of a tail class was seen.</summary>
    /// <param name="projection">(Views * N + ..., d), unit rows, those of the images first.</param>
    /// <param name="batch">Their classes, and the position that is drawn for.</param>
    public Tensor Draw(Tensor projection, Batch batch)
    {
        using var scope = NewDisposeScope();
        using var frozen = no_grad();
        Follow(projection.detach(), batch);
        int[] classes = [.. tail.Where(label => seen[label])];
        var (device, width) = (projection.device, (int)projection.shape[1]);
        var rows = classes.Length == 0 ? 0 : count;
        var chosen = means.index_select(0, HostUpload.Vector([.. Enumerable.Range(0, rows).Select(row => (long)classes[row % classes.Length])], device)); // (K, d)
        var (places, normals) = (new double[rows], new double[rows * width]);
        var random = new RandomSequence(seed, batch.Position.Epoch, batch.Position.Step, RandomStream.Annulus);
        for (var i = 0; i < places.Length; i++)
        {
            places[i] = random.Unit();
        }

        for (var i = 0; i < normals.Length; i++)
        {
            normals[i] = random.ExactNormal();
        }

        return At(chosen, Upload(places, projection), Upload(normals, projection).reshape(rows, width), settings.Near, settings.Far).MoveToOuterDisposeScope();
    }

    /// <summary>The points of an annulus.</summary>
    /// <param name="means">(K, d): the mean projection of the class of each.</param>
    /// <param name="places">(K): where between the far edge, 0, and the near one, 1.</param>
    /// <param name="normals">(K, d): vectors whose part at right angles to the mean is the direction.</param>
    /// <param name="near">Standard deviations of the cosine below its mean at the near edge.</param>
    /// <param name="far">Likewise at the far edge.</param>
    internal static Tensor At(Tensor means, Tensor places, Tensor normals, double near, double far)
    {
        using var scope = NewDisposeScope();
        var length = means.norm(1, keepdim: true); // (K, 1), R
        var direction = means / length.clamp_min(1e-12);
        var squared = length.square().clamp_max(1);
        var deviation = (1 - squared) / ((means.shape[1] * (1 + squared)) - (3 * squared) + squared.square()).sqrt();
        var cosine = (length - ((far - ((far - near) * places.unsqueeze(1))) * deviation)).clamp(-1, 1);
        var tangent = normals - ((normals * direction).sum(dim: 1, keepdim: true) * direction);
        tangent /= tangent.norm(1, keepdim: true).clamp_min(1e-12);
        return ((cosine * direction) + ((1 - cosine.square()).sqrt() * tangent)).MoveToOuterDisposeScope();
    }

    // m <- m + momentum (mean of the batch - m); the first batch that has the class replaces it. As one product, so that nothing is chosen by what is on the device.
    private void Follow(Tensor projection, Batch batch)
    {
        var (images, classCount) = (batch.Classes.Count, seen.Length);
        var rows = batch.Views * images;
        var (weights, momentum) = (new double[classCount * rows], new double[classCount]);
        foreach (var members in Enumerable.Range(0, images).GroupBy(image => batch.Classes[image]))
        {
            var share = 1.0 / (batch.Views * members.Count());
            for (var view = 0; view < batch.Views; view++)
            {
                foreach (var image in members)
                {
                    weights[(members.Key * rows) + (view * images) + image] = share;
                }
            }

            momentum[members.Key] = seen[members.Key] ? settings.MeanMomentum : 1;
            seen[members.Key] = true;
        }

        var ofBatch = Upload(weights, means).reshape(classCount, rows).mm(projection.narrow(0, 0, rows).to(means.dtype)); // (C, d)
        means.add_((ofBatch - means) * Upload(momentum, means).unsqueeze(1));
    }

    private static Tensor Upload(double[] values, Tensor like) => HostUpload.Vector(values, like.device).to(like.dtype);
}
