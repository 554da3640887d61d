using System.Globalization;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>
/// An out-of-distribution score as the literature defines it, with the values of its parameters, as <c>energy</c>, <c>energy:temperature=2</c> or
/// <c>odin:temperature=100:epsilon=0.002</c>. <see cref="Fit"/> makes it ready for one model. Higher = more out-of-distribution.
/// </summary>
/// <remarks>
/// Symbols: z logits of the main branch, p = softmax(z), C classes, n_c training images of class c, pi_c = n_c / sum n the class prior, f features of the main
/// branch. Everything is computed in double from float32 logits and features. A score of another assembly derives from this class, or from
/// <see cref="LogitScore"/>, and calls <see cref="Register"/>.
/// </remarks>
public abstract class ScoreSpec
{
    private const string Every = "all";

    private Dictionary<string, double> values;

    /// <summary>Describes the score, with the default values of its parameters.</summary>
    /// <param name="name">As <see cref="Name"/>.</param>
    /// <param name="definition">As <see cref="Definition"/>.</param>
    /// <param name="source">As <see cref="Source"/>.</param>
    /// <param name="parameters">As <see cref="Parameters"/>.</param>
    protected ScoreSpec(string name, string definition, string source, params ScoreParameter[] parameters)
    {
        (Name, Definition, Source, Parameters) = (name, definition, source, parameters);
        values = parameters.ToDictionary(parameter => parameter.Name, parameter => parameter.Default);
    }

    /// <summary>All scores with their default values, in the order in which tables show them.</summary>
    public static IReadOnlyList<ScoreSpec> All => Known.Scores.All;

    /// <summary>How it is called on the command line and in files, without parameters, for example <c>max-logit</c>.</summary>
    public string Name { get; }

    /// <summary>The equation, and what it does in cases that the equation leaves open.</summary>
    public string Definition { get; }

    /// <summary>Who defined it.</summary>
    public string Source { get; }

    /// <summary>The numbers it can be given.</summary>
    public IReadOnlyList<ScoreParameter> Parameters { get; }

    /// <summary>The value of every parameter, given or default.</summary>
    public IReadOnlyDictionary<string, double> Values => values;

    /// <summary>The value of one parameter.</summary>
    public double this[ScoreParameter parameter] => values[parameter.Name];

    /// <summary>What the score is computed from: unless a score says otherwise, logits and features of the image and of the training images.</summary>
    public virtual ScoreNeeds Needs => ScoreNeeds.Logits | ScoreNeeds.Features | ScoreNeeds.TrainingLogits | ScoreNeeds.TrainingFeatures;

    /// <summary>What the score has from the training images, beside the model.</summary>
    public virtual ScoreFit FittedTo => ScoreFit.TrainingImages;

    /// <summary>
    /// Whether the logits of an image and the training counts are all that it needs. Both are at hand wherever a checkpoint is deployed, so a threshold can be
    /// stored for such a score alone.
    /// </summary>
    public bool IsOfLogits => this is LogitScore;

    /// <summary>Makes a score of another assembly available by its name.</summary>
    /// <exception cref="ArgumentException">The name is taken.</exception>
    public static void Register(ScoreSpec score) => Known.Scores.Add(score);

    /// <summary>Reads <c>NAME</c> or <c>NAME:PARAMETER=VALUE...</c>.</summary>
    /// <exception cref="InputException">There is no such score or parameter, or a value is out of its range.</exception>
    public static ScoreSpec Parse(string text)
    {
        var parts = text.Split(':', StringSplitOptions.TrimEntries);
        var score = All.FirstOrDefault(score => score.Name == parts[0])
            ?? throw new InputException($"There is no score '{parts[0]}'; the scores are {string.Join(", ", All.Select(known => known.Name))}.");
        var values = new Dictionary<string, double>(score.values);
        foreach (var part in parts.Skip(1))
        {
            var (name, value) = part.Split('=', 2) is [var before, var after] ? (before, after) : (part, "");
            var parameter = score.Parameters.FirstOrDefault(parameter => parameter.Name == name) ?? throw new InputException(
                $"The score {score.Name} has no parameter '{name}'; " + (score.Parameters.Count == 0
                    ? "it takes none."
                    : $"it takes {string.Join(" and ", score.Parameters.Select(p => p.Name))}, as in {score.Name}:{score.Parameters[0].Name}=NUMBER."));
            values[name] = parameter.Parse(value, score.Name);
        }

        return score.With(values);
    }

    /// <summary>Reads scores with commas between them; <c>all</c> stands for every one with its default values. A score named twice counts once.</summary>
    /// <exception cref="InputException">A name or a value is wrong.</exception>
    public static IReadOnlyList<ScoreSpec> ParseList(string text) =>
    [
        .. text.Split(',', StringSplitOptions.TrimEntries)
            .SelectMany(item => item == Every ? All : [Parse(item)])
            .DistinctBy(score => score.ToString()),
    ];

    /// <summary>The name and the values that are not the default; <see cref="Parse"/> reads it back.</summary>
    public override string ToString() => Name + string.Concat(
        Parameters
            .Where(parameter => this[parameter] != parameter.Default)
            .Select(parameter => string.Create(CultureInfo.InvariantCulture, $":{parameter.Name}={this[parameter]}")));

    /// <summary>Makes the score ready for one model.</summary>
    /// <exception cref="InputException">It needs more of the model than is at hand.</exception>
    public OodScore Fit(ScoreFitting fitting) => new(ToString(), this, Scores(fitting));

    /// <summary>The score as a function of an image's logits of the main branch, (C), for a deployed model.</summary>
    /// <param name="trainingCounts">Training images of each class, as the checkpoint stores them.</param>
    /// <exception cref="InputException">The score needs more than logits, see <see cref="IsOfLogits"/>.</exception>
    public Func<ReadOnlySpan<float>, double> OfLogits(IReadOnlyList<int> trainingCounts) => RequireLogits().OfLogits(ClassPrior.Of(trainingCounts));

    /// <summary>The function from a pass over some images to one number for each, in their order.</summary>
    /// <param name="fitting">The model and its training images.</param>
    protected internal abstract Func<FeaturePass, double[]> Scores(ScoreFitting fitting);

    /// <summary>The same score with other values of its parameters.</summary>
    internal ScoreSpec With(IReadOnlyDictionary<string, double> given)
    {
        var copy = (ScoreSpec)MemberwiseClone();
        copy.values = new(given);
        return copy;
    }

    /// <summary>Refuses a score that needs more than logits.</summary>
    internal LogitScore RequireLogits() => this as LogitScore ?? throw new InputException(
        $"The score {Name} needs more than an image's logits; a deployed model computes one of {string.Join(", ", All.Where(other => other.IsOfLogits).Select(other => other.Name))}.");

    // By itself, because the scores derive from the class around it.
    private static class Known
    {
        public static readonly NamedParts<ScoreSpec> Scores = new(
            "score", score => score.Name,
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
    }
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
