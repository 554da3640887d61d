using MathNet.Numerics.Distributions;
using Pascl.Training.Data;

namespace Pascl.Training.Evaluation;

/// <summary>What a threshold accepts, set by set; stored beside the run it was chosen for.</summary>
/// <param name="Score">Name of the score.</param>
/// <param name="Threshold">The highest score that is accepted.</param>
/// <param name="Asked">The share of in-distribution images that was asked to be accepted.</param>
/// <param name="Images">In-distribution images by which it was chosen.</param>
/// <param name="Expected">Where the share of new in-distribution images that is accepted lies, with 95 % certainty.</param>
/// <param name="Rows">The sets.</param>
public sealed record AcceptanceTable(string Score, double Threshold, double Asked, int Images, ShareInterval Expected, IReadOnlyList<AcceptanceRow> Rows)
{
    private const string Command = "calibrate RUN";

    /// <summary>Reads a file that <see cref="Write"/> wrote.</summary>
    /// <param name="path">The file.</param>
    /// <param name="score">The score that the threshold is one of.</param>
    /// <param name="threshold">The threshold.</param>
    /// <exception cref="InputException">The file is missing, something else, or the table of another threshold.</exception>
    public static AcceptanceTable Read(string path, string score, double threshold)
    {
        var table = ReportJson.Read<AcceptanceTable>(path, new("table of a threshold", "the table of a threshold", "rows", "it has no rows.", 1, Command));
        return table.Rows.Contains(null!) ? throw new InputException($"{path} is damaged: one of its rows is null. Write it anew: {Command}.")
            : (table.Score, table.Threshold) == (score, threshold) ? table
            : throw new InputException(FormattableString.Invariant(
                $"{path} is of the threshold {table.Threshold:R} on {table.Score}, but that of the checkpoint is {threshold:R} on {score}. Write it anew: {Command}."));
    }

    /// <summary>Writes the table as JSON. The file appears whole or not at all; an earlier one stays until then.</summary>
    /// <exception cref="InputException">The file cannot be written.</exception>
    public void Write(string path) => ReportJson.Write(path, this);
}

/// <summary>What a threshold accepts of a set.</summary>
/// <param name="Set">What the set is.</param>
/// <param name="IsInDistribution">Whether its images are to be accepted.</param>
/// <param name="Images">Number of images.</param>
/// <param name="Accepted">Share of them that is accepted.</param>
/// <param name="Interval">Where the share of all such images lies, with 95 % certainty.</param>
/// <param name="Many">Mean over the classes of the shot group "many" of their accepted shares; null where there is none.</param>
/// <param name="Medium">The same for "medium".</param>
/// <param name="Few">The same for "few".</param>
public sealed record AcceptanceRow(string Set, bool IsInDistribution, int Images, double Accepted, ShareInterval Interval, double? Many = null, double? Medium = null, double? Few = null)
{
    /// <summary>Counts a set.</summary>
    /// <param name="set">What the set is.</param>
    /// <param name="isInDistribution">Whether its images are to be accepted.</param>
    /// <param name="scores">The scores of its images.</param>
    /// <param name="threshold">The highest score that is accepted.</param>
    public static AcceptanceRow Of(string set, bool isInDistribution, IReadOnlyList<double> scores, double threshold)
    {
        var accepted = scores.Count(score => score <= threshold);
        return new AcceptanceRow(set, isInDistribution, scores.Count, accepted / (double)scores.Count, ShareInterval.Of(accepted, scores.Count));
    }

    /// <summary>Counts a set that shows the classes, or of whose images nobody says which.</summary>
    internal static AcceptanceRow OfClasses(string set, LabelledSet images, double[] scores, double threshold, ShotGroups groups)
    {
        var row = Of(set, isInDistribution: true, scores, threshold);
        if (images.ClassCount == 0 || images.Labels.Contains(LabelledSet.NoClass))
        {
            return row;
        }

        var accepted = new ClassTally(groups.ClassCount);
        for (var i = 0; i < scores.Length; i++)
        {
            accepted.Add(images.Labels[i], scores[i] <= threshold);
        }

        return row.With(accepted.Shares(groups));
    }

    /// <summary>The same with the means over the shot groups.</summary>
    public AcceptanceRow With(ShotShares groups) =>
        this with { Many = Known(groups.Many), Medium = Known(groups.Medium), Few = Known(groups.Few) };

    private static double? Known(double share) => double.IsNaN(share) ? null : share;
}

/// <summary>An interval that a share lies in with 95 % certainty.</summary>
/// <param name="Low">Its lower end.</param>
/// <param name="High">Its upper end.</param>
public sealed record ShareInterval(double Low, double High)
{
    private const double Tail = 0.025;

    /// <summary>
    /// The interval of Clopper and Pearson (Biometrika 26, 1934) for the share behind <paramref name="hits"/> of <paramref name="count"/> independent images: never less
    /// than 95 % certain.
    /// </summary>
    public static ShareInterval Of(int hits, int count) => count == 0 ? new(0, 1) : new(
        hits == 0 ? 0 : Beta.InvCDF(hits, count - hits + 1, Tail),
        hits == count ? 1 : Beta.InvCDF(hits + 1, count - hits, 1 - Tail));

    /// <summary>
    /// Where the share of new images lies that a threshold between the <paramref name="accepted"/>-th and the next of <paramref name="count"/> scores accepts: at the
    /// k-th of n independent scores it is distributed as Beta(k, n - k + 1) (W. J. Conover, Practical Nonparametric Statistics, on tolerance limits), and the threshold
    /// lies between the k-th and the next.
    /// </summary>
    public static ShareInterval OfFuture(int accepted, int count) => new(
        Beta.InvCDF(accepted, count - accepted + 1, Tail),
        accepted == count ? Beta.InvCDF(count, 1, 1 - Tail) : Beta.InvCDF(accepted + 1, count - accepted, 1 - Tail));
}

/// <summary>The threshold on a score that accepts a given share of images; an image is accepted if its score is at most the threshold.</summary>
public static class AcceptanceThreshold
{
    /// <summary>
    /// The middle between the last score that is accepted and the first that is not. The last one is the k-th lowest with the smallest k for which k / n is at least the
    /// share; images that tie with it are accepted too, so that more may be accepted than asked for. In the middle, no image of these lies so near that the last digit of
    /// another implementation decides about it. Where all are accepted it is the highest score.
    /// </summary>
    /// <param name="scores">Scores of n in-distribution images, at least one.</param>
    /// <param name="share">Above 0 and at most 1.</param>
    /// <exception cref="InputException">The share is out of its range.</exception>
    /// <exception cref="ArgumentException">There are no scores.</exception>
    public static double Of(IReadOnlyList<double> scores, double share)
    {
        CheckRate(share, "The share of images to accept");
        if (scores.Count == 0)
        {
            throw new ArgumentException("There are no scores; a threshold needs at least one.");
        }

        double[] sorted = [.. scores.Order()];

        // In whole numbers of images: share * n can round to either side of one.
        var accepted = Math.Max(1, (int)(share * sorted.Length) - 1);
        while (accepted / (double)sorted.Length < share)
        {
            accepted++;
        }

        var last = sorted[accepted - 1];
        var next = Array.FindIndex(sorted, accepted, score => score > last);
        return next < 0 ? last : last + ((sorted[next] - last) / 2);
    }

    internal static void CheckRate(double share, string name)
    {
        if (!(share > 0 && share <= 1))
        {
            throw new InputException(FormattableString.Invariant($"{name} is {share}; it must be above 0 and at most 1, such as 0.95."));
        }
    }
}
