using Pascl.Training.Recipes;

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
