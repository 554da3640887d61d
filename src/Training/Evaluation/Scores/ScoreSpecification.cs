using System.Globalization;

namespace Pascl.Training.Evaluation.Scores;

/// <summary>A score with the values of its parameters, as <c>energy</c>, <c>energy:temperature=2</c> or <c>odin:temperature=100:epsilon=0.002</c>.</summary>
public sealed class ScoreSpecification
{
    /// <summary>What stands for every score with its default values.</summary>
    public const string All = "all";

    private readonly Dictionary<string, double> values;

    private ScoreSpecification(ScoreKind kind, Dictionary<string, double> values) => (Kind, this.values) = (kind, values);

    /// <summary>The score.</summary>
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
    public OodScore OfLogits(IReadOnlyList<int> trainingCounts) => RequireLogits().Of(this, ClassPrior.Of(trainingCounts));

    /// <summary>Refuses a score that needs more than logits.</summary>
    internal LogitScoreKind RequireLogits() => Kind as LogitScoreKind ?? throw new InputException(
        $"The score {Kind.Name} needs more than an image's logits; a deployed model computes one of " +
        $"{string.Join(", ", ScoreKinds.OfLogits.Select(other => other.Name))}.");

    /// <summary>Makes the score ready for one model.</summary>
    public FittedScore Fit(ScoreFitting fitting) => new(this, Kind.Fit(this, fitting));
}
