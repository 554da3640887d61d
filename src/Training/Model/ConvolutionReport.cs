using System.Globalization;

namespace Pascl.Training.Model;

/// <summary>What <see cref="ConvolutionCheck"/> found, for people.</summary>
/// <param name="Results">Every convolution in every use, and by every way that was tried.</param>
public sealed record ConvolutionReport(IReadOnlyList<ConvolutionResult> Results)
{
    /// <summary>How the names of <see cref="Rows"/> begin.</summary>
    internal const string RowPrefix = "convolution ";

    /// <summary>Those that are wrong on this machine.</summary>
    public IEnumerable<ConvolutionResult> Wrong => Results.Where(result => !result.Passed);

    /// <summary>One sentence about what is wrong; null where nothing is.</summary>
    public string? Finding
    {
        get
        {
            var wrong = Wrong.DistinctBy(result => result.Shape).ToArray();
            return wrong.Length == 0 ? null
                : $"On this machine libtorch computes {wrong.Length} of {Results.DistinctBy(result => result.Shape).Count()} convolutions wrongly: "
                + $"{string.Join("; ", wrong.Select(result => $"{result.Shape} ({Describe(result)})"))}.";
        }
    }

    /// <summary><see cref="Finding"/> of a run, and what it does instead; null where nothing is wrong.</summary>
    public string? Warning => Finding is { } finding ? $"{finding} They are computed by unfolding and a matrix product instead, which was checked, too." : null;

    /// <summary>The table: what, how it is computed, and how far off each part is.</summary>
    public IEnumerable<(string Name, string Value)> Rows => Results.Select(result => (
        $"{RowPrefix}{result.Shape}, images of {result.Height}x{result.Width}, {result.Use.Name} in batches of {result.Use.Images}, {NameOf(result.Way)}",
        $"{(result.Passed ? "right" : "WRONG, so it is not used")}: {Errors(result)}"));

    /// <summary>What is wrong with a result: <c>output off by 49 %</c>.</summary>
    internal static string Describe(ConvolutionResult wrong) => string.Join(", ", wrong.Parts.Where(part => !part.Deviation.Passed).Select(part =>
        double.IsFinite(part.Deviation.Error)
            ? string.Create(CultureInfo.InvariantCulture, $"{part.Name} off by {100 * part.Deviation.Error:g2} %")
            : $"{part.Name} not a number"));

    /// <summary>A way in words.</summary>
    internal static string NameOf(ConvolutionWay way) => way == ConvolutionWay.Library ? "libtorch's convolution" : "matrix product";

    private static string Errors(ConvolutionResult result) => string.Join(", ", result.Parts.Select(part =>
        string.Create(CultureInfo.InvariantCulture, $"{part.Name} {part.Deviation.Error:0.0e+0} (allowed {part.Deviation.AllowedError:0.0e+0})")));
}
