using Pascl.Training.Data.Formats;

namespace Pascl.Training.Data;

/// <summary>What a path holds and what is wrong with it, found by reading every image.</summary>
/// <param name="Format">The format in words.</param>
/// <param name="ClassNames">The classes, in label order.</param>
/// <param name="Parts">The parts: training and test, or the sets of a collection.</param>
/// <param name="Problems">One sentence for each.</param>
internal sealed record DatasetCheck(
    string Format, IReadOnlyList<string> ClassNames, IReadOnlyList<DatasetCheck.Part> Parts, IReadOnlyList<string> Problems)
{
    /// <summary>How the layout was understood, and what else is to be known of the images.</summary>
    public required IReadOnlyList<string> Notes { get; init; }

    /// <summary>Duplicates beyond this number are counted, not listed.</summary>
    private const int ListedDuplicates = 5;

    /// <summary>What the data set may serve as.</summary>
    public required string UsableAs { get; init; }

    /// <summary>Reads everything at a path.</summary>
    /// <param name="path">The data set.</param>
    /// <param name="root">What the paths of a list start from; null where they start beside it.</param>
    /// <exception cref="InputException">The path cannot be used at all.</exception>
    public static DatasetCheck Run(string path, string? root = null) => Run(path, root, imageSize: null);

    /// <summary>Images that several data sets share, one sentence for each pair of them that does; all are read at one size.</summary>
    public static IReadOnlyList<string> Shared(IReadOnlyList<(string Path, DatasetCheck Check)> checks)
    {
        var size = checks[0].Check.Parts.Select(part => part.Images.Height).FirstOrDefault();
        var sets = checks.SelectMany(check => (check.Check.Parts.Any(part => part.Images.Height != size) ? Run(check.Path, root: null, size) : check.Check).Parts
            .Select(part => part.Images.Named(check.Check.Parts.Count == 1 ? check.Path : $"{check.Path} ({part.Name})")));
        return [.. SharedImages.Find([.. sets]).Select(shared => shared.ToString())];
    }

    private static DatasetCheck Run(string path, string? root, int? imageSize)
    {
        var dataset = Dataset.Open(path, root);
        var problems = dataset.Problems.ToList();
        Part[] parts = [.. dataset.Parts.Select(part => ReadPart(dataset, part, imageSize, problems))];
        if (parts.All(part => part.Images.Count == 0))
        {
            throw new InputException($"{path} holds no image that can be read. {problems[0]}");
        }

        if (!dataset.IsCollection)
        {
            problems.AddRange(parts.SelectMany(EmptyClasses));
        }

        problems.AddRange(Duplicates(parts));
        return new DatasetCheck(dataset.Format, dataset.ClassNames, parts, problems)
        {
            UsableAs = Uses(dataset, parts),
            Notes = [.. dataset.Notes, .. dataset.Parts.SelectMany(dataset.Remarks)],
        };
    }

    private static Part ReadPart(Dataset dataset, string part, int? imageSize, List<string> problems) =>
        new(part, dataset.Read(part, part, new ReadOptions(imageSize, SkipBroken: true), problems), dataset.Sizes(part));

    private static IEnumerable<string> EmptyClasses(Part part) =>
        from count in part.Images.CountPerClass().Index()
        where count.Item == 0
        select $"Class {part.Images.ClassNames[count.Index]} has no images in the part {part.Name}.";

    private static IEnumerable<string> Duplicates(Part[] parts)
    {
        var sourceOfHash = new Dictionary<Int128, string>();
        var count = 0;
        foreach (var images in parts.Select(part => part.Images))
        {
            foreach (var (i, hash) in images.PixelHashes.Index())
            {
                if (!sourceOfHash.TryAdd(hash, images.Source(i)) && ++count <= ListedDuplicates)
                {
                    yield return $"{images.Source(i)} shows the same picture as {sourceOfHash[hash]}.";
                }
            }
        }

        if (count > ListedDuplicates)
        {
            yield return $"{count - ListedDuplicates:N0} more images show the same picture as another.";
        }
    }

    private static string Uses(Dataset dataset, Part[] parts)
    {
        var training = parts.FirstOrDefault(part => part.Name == Dataset.TrainPart)?.Images;
        return dataset.IsCollection || training is null ? "out-of-distribution test images"
            : dataset.ClassNames.Count < 2 || training.CountPerClass().Contains(0) ? "outliers, or out-of-distribution test images"
            : "in-distribution classes, outliers, or out-of-distribution test images";
    }

    /// <summary>One part of the data set.</summary>
    /// <param name="Name">Its name.</param>
    /// <param name="Images">Its images that could be read.</param>
    /// <param name="Sizes">How many images are stored in each size, most frequent first.</param>
    internal sealed record Part(string Name, ImageSet Images, IReadOnlyList<(int Width, int Height, int Count)> Sizes);
}
