namespace Pascl.Training.Golden;

/// <summary>Every comparison with golden files that this program can make.</summary>
public static class GoldenChecks
{
    private static readonly (string FileName, Func<string, IEnumerable<GoldenResult>> Check)[] Checks =
    [
        (LossGolden.FileName, LossGolden.Check),
        (MetricGolden.FileName, MetricGolden.Check),
        (ModelGolden.FileName, ModelGolden.Check),
    ];

    /// <summary>Checks each known file that is present in <paramref name="folder"/>, one result after the other as they are computed.</summary>
    /// <exception cref="InputException">No known file is present, or one cannot be read.</exception>
    public static IEnumerable<GoldenResult> Run(string folder)
    {
        var present = Checks.Where(check => File.Exists(Path.Combine(folder, check.FileName))).ToArray();
        return present.Length > 0
            ? present.SelectMany(check => check.Check(folder))
            : throw new InputException($"{folder} holds none of the golden files {string.Join(", ", Checks.Select(check => check.FileName))}.");
    }
}
