using System.Globalization;
using Pascl.Training.Networks;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>An out-of-distribution score as the literature defines it: higher = more out-of-distribution. <see cref="ScoreKinds"/> lists all.</summary>
/// <remarks>
/// Symbols: z logits of the main branch, p = softmax(z), C classes, n_c training images of class c, pi_c = n_c / sum n the class prior, f features of the main
/// branch. Everything is computed in double from float32 logits and features.
/// </remarks>
public abstract class ScoreKind
{
    /// <summary>Describes the score.</summary>
    protected ScoreKind(string name, string definition, string source, params ScoreParameter[] parameters) =>
        (Name, Definition, Source, Parameters) = (name, definition, source, parameters);

    /// <summary>How it is called on the command line and in files, for example <c>max-logit</c>.</summary>
    public string Name { get; }

    /// <summary>The equation, and what it does in cases that the equation leaves open.</summary>
    public string Definition { get; }

    /// <summary>Who defined it.</summary>
    public string Source { get; }

    /// <summary>The numbers it can be given.</summary>
    public IReadOnlyList<ScoreParameter> Parameters { get; }

    /// <summary>
    /// Whether the logits of an image and the training counts are all that it needs. Both are at hand wherever a checkpoint is deployed, so a threshold can be
    /// stored for such a score alone.
    /// </summary>
    public virtual bool IsOfLogits => false;

    /// <summary>What the score is computed from: unless a score says otherwise, logits and features of the image and of the training images.</summary>
    public virtual ScoreNeeds Needs(ScoreSpecification specification) =>
        ScoreNeeds.Logits | ScoreNeeds.Features | ScoreNeeds.TrainingLogits | ScoreNeeds.TrainingFeatures;

    /// <summary>What the score has from the training images, beside the model.</summary>
    public virtual ScoreFit FittedTo => ScoreFit.TrainingImages;

    /// <summary>Makes the score ready for one model: the function from a pass over some images to their scores.</summary>
    public abstract Func<FeaturePass, double[]> Fit(ScoreSpecification specification, ScoreFitting fitting);
}

/// <summary>What a score has from the training images, the least first.</summary>
public enum ScoreFit
{
    /// <summary>Nothing: it follows from the model and the image.</summary>
    Nothing,

    /// <summary>The share of each class.</summary>
    ClassShares,

    /// <summary>Statistics of their features or logits.</summary>
    TrainingImages,
}

/// <summary>Every out-of-distribution score, by name.</summary>
public static class ScoreKinds
{
    private static readonly NamedParts<ScoreKind> all = new(
        "score", kind => kind.Name,
        new MaximumSoftmaxScore(),
        new MaximumLogitScore(),
        new EnergyScore(),
        new EntropyScore(),
        new OdinScore(),
        new MahalanobisScore(normalised: false),
        new MahalanobisScore(normalised: true),
        new NearestNeighbourScore(),
        new GradNormScore(),
        new FeatureNormScore(),
        new GeneralisedEntropyScore(removesPrior: false),
        new KullbackLeiblerScore(),
        new RelativeMahalanobisScore(normalised: false),
        new RelativeMahalanobisScore(normalised: true),
        new HypersphericalMahalanobisScore(),
        new StoredPatternScore(),
        new VirtualLogitScore(),
        new NearestNeighbourGuidanceScore(),
        new BoundaryDistanceScore(),
        new CollapseScore(),
        new RectifiedActivationScore(),
        new DirectedSparsificationScore(),
        new ActivationShapingScore(ActivationShaping.Binarise),
        new ActivationShapingScore(ActivationShaping.Prune),
        new ActivationShapingScore(ActivationShaping.PruneAndScale),
        new ActivationShapingScore(ActivationShaping.Scale),
        new AdaptiveScalingScore(ofLogits: false),
        new AdaptiveScalingScore(ofLogits: true),
        new MaximumSoftmaxPriorScore(),
        new MaximumLogitPriorScore(),
        new EnergyPriorScore(),
        new EntropyPriorScore(),
        new OdinPriorScore(),
        new GradNormPriorScore(),
        new GeneralisedEntropyScore(removesPrior: true),
        new PriorReweightedScore(new RectifiedActivationScore()),
        new PriorReweightedScore(new ActivationShapingScore(ActivationShaping.PruneAndScale)),
        new PriorReweightedScore(new ActivationShapingScore(ActivationShaping.Scale)),
        new MaximumSoftmaxImbalanceScore(),
        new EnergyImbalanceScore(),
        new FeatureImbalanceScore(new MahalanobisScore(normalised: false), strength: 0.01),
        new FeatureImbalanceScore(new GradNormScore(), strength: 10));

    /// <summary>All scores, in the order in which tables show them.</summary>
    public static IReadOnlyList<ScoreKind> All => all.All;

    /// <summary>Makes a score of another assembly available by its name.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public static void Register(ScoreKind kind) => all.Add(kind);

    /// <summary>Those that a deployed model computes, see <see cref="ScoreKind.IsOfLogits"/>.</summary>
    public static IEnumerable<ScoreKind> OfLogits => All.Where(kind => kind.IsOfLogits);

    /// <summary>The score of a name.</summary>
    /// <exception cref="InputException">There is none; the message lists the names.</exception>
    public static ScoreKind Find(string name) =>
        All.FirstOrDefault(kind => kind.Name == name)
        ?? throw new InputException($"There is no score '{name}'; the scores are {string.Join(", ", All.Select(kind => kind.Name))}.");
}

/// <summary>A number that a score can be given.</summary>
/// <param name="Name">How it is written, for example <c>temperature</c>.</param>
/// <param name="Default">Its value where it is not given.</param>
/// <param name="Meaning">What it is, in words.</param>
/// <param name="Range">The numbers it may be.</param>
public sealed record ScoreParameter(string Name, double Default, string Meaning, ScoreParameterRange Range)
{
    /// <summary>Reads a value; <paramref name="score"/> names the score in messages.</summary>
    /// <exception cref="InputException">It is not a number of the range.</exception>
    internal double Parse(string text, string score) =>
        double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && IsAllowed(value)
            ? value
            : throw new InputException($"{Name} of the score {score} is '{text}'; it must be {RangeInWords}.");

    private string RangeInWords => Range switch
    {
        ScoreParameterRange.Positive => "a number above 0",
        ScoreParameterRange.NonNegative => "a number, at least 0",
        ScoreParameterRange.PositiveInteger => "a whole number, at least 1",
        ScoreParameterRange.Percentage => "a number from 0 to less than 100",
        _ => "a whole number, at least 0",
    };

    private bool IsAllowed(double value) => double.IsFinite(value) && Range switch
    {
        ScoreParameterRange.Positive => value > 0,
        ScoreParameterRange.NonNegative => value >= 0,
        ScoreParameterRange.PositiveInteger => value >= 1 && IsCount(value),
        ScoreParameterRange.Percentage => value is >= 0 and < 100,
        _ => value >= 0 && IsCount(value),
    };

    private static bool IsCount(double value) => double.IsInteger(value) && value <= int.MaxValue;
}

/// <summary>The finite numbers that a parameter of a score may be.</summary>
public enum ScoreParameterRange
{
    /// <summary>Above 0.</summary>
    Positive,

    /// <summary>0 or more.</summary>
    NonNegative,

    /// <summary>1, 2, 3, ...</summary>
    PositiveInteger,

    /// <summary>From 0 to less than 100.</summary>
    Percentage,

    /// <summary>0, 1, 2, ...</summary>
    NonNegativeInteger,
}

/// <summary>A score with the values of its parameters, as <c>energy</c>, <c>energy:temperature=2</c> or <c>odin:temperature=100:epsilon=0.002</c>.</summary>
public sealed class ScoreSpecification
{
    /// <summary>What stands for every score with its default values.</summary>
    public const string All = "all";

    private readonly Dictionary<string, double> values;

    private ScoreSpecification(ScoreKind kind, Dictionary<string, double> values) => (Kind, this.values) = (kind, values);

    /// <summary>What is computed, whatever the values of its parameters.</summary>
    public ScoreKind Kind { get; }

    /// <summary>The value of every parameter, given or default.</summary>
    public IReadOnlyDictionary<string, double> Values => values;

    /// <summary>Reads <c>NAME</c> or <c>NAME:PARAMETER=VALUE...</c>.</summary>
    /// <exception cref="InputException">There is no such score or parameter, or a value is out of its range.</exception>
    public static ScoreSpecification Parse(string text)
    {
        var parts = text.Split(':', StringSplitOptions.TrimEntries);
        var kind = ScoreKinds.Find(parts[0]);
        var values = kind.Parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Default);
        foreach (var part in parts.Skip(1))
        {
            var (name, value) = part.Split('=', 2) is [var before, var after] ? (before, after) : (part, "");
            var parameter = kind.Parameters.FirstOrDefault(parameter => parameter.Name == name) ?? throw new InputException(
                $"The score {kind.Name} has no parameter '{name}'; " + (kind.Parameters.Count == 0
                    ? "it takes none."
                    : $"it takes {string.Join(" and ", kind.Parameters.Select(p => p.Name))}, as in {kind.Name}:{kind.Parameters[0].Name}=NUMBER."));
            values[name] = parameter.Parse(value, kind.Name);
        }

        return new ScoreSpecification(kind, values);
    }

    /// <summary>Reads scores with commas between them; <see cref="All"/> stands for every one. A score named twice counts once.</summary>
    /// <exception cref="InputException">A name or a value is wrong.</exception>
    public static IReadOnlyList<ScoreSpecification> ParseList(string text) =>
    [
        .. text.Split(',', StringSplitOptions.TrimEntries)
            .SelectMany(item => item == All ? ScoreKinds.All.Select(kind => kind.Name) : [item])
            .Select(Parse)
            .DistinctBy(specification => specification.ToString()),
    ];

    /// <summary>The name and the values that are not the default; <see cref="Parse"/> reads it back.</summary>
    public override string ToString() => Kind.Name + string.Concat(
        Kind.Parameters
            .Where(parameter => values[parameter.Name] != parameter.Default)
            .Select(parameter => string.Create(CultureInfo.InvariantCulture, $":{parameter.Name}={values[parameter.Name]}")));

    /// <summary>The score as a function of an image's logits of the main branch, for a deployed model.</summary>
    /// <param name="trainingCounts">Training images of each class, as the checkpoint stores them.</param>
    /// <exception cref="InputException">The score needs more than logits, see <see cref="ScoreKind.IsOfLogits"/>.</exception>
    public OodScore OfLogits(IReadOnlyList<int> trainingCounts) => RequireLogits().OfLogits(this, ClassPrior.Of(trainingCounts));

    /// <summary>Refuses a score that needs more than logits.</summary>
    internal LogitScoreKind RequireLogits() => Kind as LogitScoreKind ?? throw new InputException(
        $"The score {Kind.Name} needs more than an image's logits; a deployed model computes one of " +
        $"{string.Join(", ", ScoreKinds.OfLogits.Select(other => other.Name))}.");

    /// <summary>
    /// Makes the score ready for one model: the function from a pass over some images to their scores, higher = more out-of-distribution. It throws
    /// <see cref="InputException"/> where a score is not a number, because the model's logits or features are not finite.
    /// </summary>
    public Func<FeaturePass, double[]> Fit(ScoreFitting fitting)
    {
        var scores = Kind.Fit(this, fitting);
        return pass =>
        {
            var result = scores(pass);
            return Array.FindIndex(result, double.IsNaN) is >= 0 and var image
                ? throw new InputException(
                    $"The score {this} of {pass.Images.Source(image)} in {pass.Images.Name} is not a number: the model's logits or features are not " +
                    "finite. Its training diverged; train again with a lower learning rate.")
                : result;
        };
    }
}
