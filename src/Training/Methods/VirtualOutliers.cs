using Pascl.Training.Data;
using Pascl.Training.Interop;
using Pascl.Training.Recipes;
using static TorchSharp.torch;

namespace Pascl.Training.Methods;

/// <summary>What outliers are made of where there are no images of them.</summary>
public enum VirtualOutlierKind
{
    /// <summary>Mixtures of two training images of different classes, which go through the network as outliers do.</summary>
    Mixed,

    /// <summary>Projections around a tail class but outside of it, which only the contrastive loss sees.</summary>
    Annulus,

    /// <summary>Both, as many of each.</summary>
    Both,
}

/// <summary>
/// Outliers that are made of the training images, for users who have no others: <c>--outliers none</c>. docs/methods.md has the equations, and why the constants are what
/// they are; none is from a paper.
/// </summary>
public sealed record VirtualOutlierRecipe
{
    /// <summary>What <c>--outliers</c> takes in the place of a path.</summary>
    public const string Word = "none";

    private static readonly OptionUse ByWord = new(
        $"--outliers {Word}", recipe => recipe.VirtualOutliers.InUse, recipe => recipe.UsesOutliers ? "the outliers are images" : $"the method is {recipe.Method}");

    private static readonly OptionUse ByMixed = new(
        $"--outliers {Word} with mixed images", recipe => recipe.VirtualOutliers.Mixes, recipe => ByWord.Holds(recipe) ? "there are none" : ByWord.Instead(recipe));

    private static readonly OptionUse ByAnnulus = new(
        $"--virtual-outliers annulus or both", recipe => recipe.VirtualOutliers.Draws, recipe => ByWord.Holds(recipe) ? "they are mixed images" : ByWord.Instead(recipe));

    /// <summary>Whether no outlier images are read.</summary>
    public bool InUse { get; init; }

    /// <summary>What the outliers are made of.</summary>
    public VirtualOutlierKind Kind { get; init; }

    /// <summary>
    /// The least that each of two images is weighted with in their mixture, in (0, 0.5]. Where it is small, most of what is seen of some mixtures is one image of a class,
    /// which the network should not take for an outlier; at 0.5 all mixtures are alike.
    /// </summary>
    public double LeastShare { get; init; } = 0.3;

    /// <summary>
    /// The near edge of the annulus, in standard deviations of the cosine between a class's projections and their mean direction: about one image in fifty of the class
    /// itself is farther out than 2.
    /// </summary>
    public double Near { get; init; } = 2;

    /// <summary>The far edge likewise; much farther, a virtual outlier is no harder to tell from the class than another class is.</summary>
    public double Far { get; init; } = 4;

    /// <summary>How much a batch moves the running mean of a class that it has; that of BatchNorm's statistics.</summary>
    public double MeanMomentum { get; init; } = 0.1;

    internal static IReadOnlyList<RecipeOption> Options { get; } = Rows();

    /// <summary>Whether images are mixed.</summary>
    internal bool Mixes => InUse && Kind != VirtualOutlierKind.Annulus;

    /// <summary>Whether projections are drawn.</summary>
    internal bool Draws => InUse && Kind != VirtualOutlierKind.Mixed;

    /// <summary>The recipe with the outlier images of a path, or with none.</summary>
    internal static Recipe Choose(Recipe recipe, string? path) => recipe with
    {
        Data = recipe.Data with { Outliers = path == Word ? null : path },
        VirtualOutliers = recipe.VirtualOutliers with { InUse = path == Word },
    };

    private static RecipeOption[] Rows()
    {
        var part = RecipeParts.Whole.Part(recipe => recipe.VirtualOutliers, (recipe, value) => recipe with { VirtualOutliers = value });
        return
        [
            part.Option(
                null, $"whether outliers are made of the training images; --outliers {Word} says so", made => made.InUse, (made, value) => made with { InUse = value }),
            part.Option(
                "--virtual-outliers", "what outliers are made of: mixtures of images, an annulus about the projections of tail classes, or both",
                made => made.Kind, (made, value) => made with { Kind = value }) with { Use = ByWord },
            part.Option(
                "--mixed-least-share", "the least that each of two images has of their mixture", made => made.LeastShare, (made, value) => made with { LeastShare = value },
                "The least share of a mixed image", new OptionRange<double>(value => value is > 0 and <= 0.5, "above 0 and at most 0.5")) with { Use = ByMixed },
            part.Option(
                "--annulus-near", "near edge of the annulus, in standard deviations of the cosine to a class's mean direction below its mean",
                made => made.Near, (made, value) => made with { Near = value }, "The near edge of the annulus", OptionRanges.Weight) with { Use = ByAnnulus },
            part.Option(
                "--annulus-far", "far edge of the annulus, likewise; above the near one",
                made => made.Far, (made, value) => made with { Far = value }, "The far edge of the annulus", OptionRanges.Positive) with { Use = ByAnnulus },
            part.Option(
                null, "how much a batch moves the running mean of a class for the annulus", made => made.MeanMomentum, (made, value) => made with { MeanMomentum = value },
                "The momentum of the class means", OptionRanges.Share),
        ];
    }
}

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

/// <summary>
/// Outliers mixed from the images of a batch (the idea of RICASSO, arXiv 2410.10548, whose definition was not at hand): row k of K is
/// <code>
/// x = a x_i + (1 - a) x_j,        i: an image of the first view;  j: one of another class, of the last view;  a: uniform in [least share, 1 - least share)
/// </code>
/// i is uniform over the images of the batch and j over those of other classes, so that an image of any class is mixed as often as the batch has it. All are drawn for the
/// seed and the batch's position: they are the same in a resumed run and on every rank.
/// </summary>
/// <param name="settings">The least share.</param>
/// <param name="count">K.</param>
/// <param name="seed">Seed of the drawing.</param>
internal sealed class MixedOutliers(VirtualOutlierRecipe settings, int count, ulong seed)
{
    /// <summary>
    /// The batch with K mixed rows behind its own, as outliers, in the current dispose scope. A batch of one class stays as it is: there is nothing between two classes in it.
    /// </summary>
    /// <param name="batch">Views of N images, every row of them.</param>
    public Batch Append(Batch batch)
    {
        var mixtures = Draw(batch.Classes, batch.Position);
        if (mixtures.Length == 0)
        {
            return batch;
        }

        using var scope = NewDisposeScope();
        var (images, device) = (batch.Classes.Count, batch.Images.device);

        // Channels last, as the images are stored, so that the rows can be joined without changing their order in memory.
        var pixels = batch.Images.permute(0, 2, 3, 1); // (Views * N, H, W, 3)
        var first = pixels.index_select(0, HostUpload.Vector(Array.ConvertAll(mixtures, mixture => mixture.First), device)); // (K, H, W, 3)
        var lastView = (batch.Views - 1) * images;
        var second = pixels.index_select(0, HostUpload.Vector(Array.ConvertAll(mixtures, mixture => lastView + mixture.Second), device));
        var share = HostUpload.Vector(Array.ConvertAll(mixtures, mixture => (double)mixture.Share), device).to(pixels.dtype).reshape(-1, 1, 1, 1); // (K, 1, 1, 1)
        var joined = cat([pixels, (first * share) + (second * (1 - share))]).permute(0, 3, 1, 2);
        return batch with { Images = joined.MoveToOuterDisposeScope(), OutlierCount = batch.OutlierCount + mixtures.Length };
    }

    /// <summary>Which images are mixed, and how; none where all are of one class.</summary>
    /// <param name="classes">(N): the classes of the images.</param>
    /// <param name="position">The batch's.</param>
    internal Mixture[] Draw(IReadOnlyList<int> classes, BatchPosition position)
    {
        // By class, so that the images of one class are a range that the drawing of another image leaves out.
        int[] byClass = [.. Enumerable.Range(0, classes.Count).OrderBy(image => classes[image])];
        var ranges = new Dictionary<int, (int Start, int Count)>();
        for (var place = 0; place < byClass.Length; place++)
        {
            var label = classes[byClass[place]];
            ranges[label] = ranges.TryGetValue(label, out var range) ? range with { Count = range.Count + 1 } : (place, 1);
        }

        if (ranges.Count < 2)
        {
            return [];
        }

        var random = new RandomSequence(seed, position.Epoch, position.Step, RandomStream.MixedImages);
        var mixtures = new Mixture[count];
        for (var row = 0; row < count; row++)
        {
            var first = random.Below(classes.Count);
            var (start, length) = ranges[classes[first]];
            var other = random.Below(classes.Count - length);
            var second = byClass[other < start ? other : other + length];
            mixtures[row] = new Mixture(first, second, random.Between((float)settings.LeastShare, (float)(1 - settings.LeastShare)));
        }

        return mixtures;
    }
}

/// <summary>Two images of a batch in one.</summary>
/// <param name="First">Number of the image i.</param>
/// <param name="Second">Number of the image j.</param>
/// <param name="Share">a, the weight of the first.</param>
internal readonly record struct Mixture(int First, int Second, float Share);
