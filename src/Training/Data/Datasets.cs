using Pascl.Training.Data.Formats;

namespace Pascl.Training.Data;

/// <summary>
/// Reads image data sets in place from folders, from archives (<c>.tar</c>, <c>.tar.gz</c>, <c>.tgz</c>), and from folders inside archives
/// (<c>ARCHIVE/inner/folder</c>): CIFAR-10 and CIFAR-100 as published, one folder per class, lists of paths and labels, plain images, NumPy
/// arrays, and the SC-OOD layout. What cannot be used is an <see cref="InputException"/> that names the file.
/// </summary>
public static class Datasets
{
    /// <summary>Reads the classes to be recognised: at least two, with training images, and the test part where there is one.</summary>
    public static InDistributionData ReadInDistribution(string path, ReadOptions options) => InDistributionOf(Dataset.Open(path, options.Root), path, options);

    /// <summary>
    /// Reads outlier images for training. A data set with classes may serve; its training part is read and its labels are dropped.
    /// </summary>
    /// <param name="path">What to read.</param>
    /// <param name="options">Image size and what to do about broken images.</param>
    /// <param name="skipped">Receives one sentence for each broken image that was left out.</param>
    public static ImageSet ReadOutliers(string path, ReadOptions options, ICollection<string>? skipped = null) =>
        OutliersOf(Dataset.Open(path, options.Root), path, options, skipped ?? []);

    /// <summary>
    /// Reads out-of-distribution test images: every set of an SC-OOD layout, or the images of any other data set, its test part where it
    /// has one. Images belong to no class, except those that an SC-OOD list says to show an in-distribution class.
    /// </summary>
    /// <param name="name">
    /// Name of the set, or null for the path's own; sets of a layout keep their names, after this one and a slash if it is given.
    /// </param>
    /// <param name="path">What to read: a path, or a built-in set: <c>noise:gaussian</c>, <c>noise:rademacher</c> or <c>noise:blobs</c>.</param>
    /// <param name="options">Image size and what to do about broken images.</param>
    /// <param name="skipped">Receives one sentence for each broken image that was left out.</param>
    public static IReadOnlyList<ImageSet> ReadOutOfDistribution(
        string? name, string path, ReadOptions options, ICollection<string>? skipped = null) =>
        NoiseSets.IsName(path)
        ? [NoiseSets.Create(path, name, options.ImageSize)]
        : OutOfDistributionOf(Dataset.Open(path, options.Root), name, path, options, skipped ?? []);

    /// <summary>
    /// Reads in-distribution images for choosing a threshold: the test part of a data set, or all of it where it has none; with its classes, where it has any.
    /// </summary>
    /// <param name="path">What to read.</param>
    /// <param name="options">Image size and what to do about broken images.</param>
    /// <param name="skipped">Receives one sentence for each broken image that was left out.</param>
    public static ImageSet ReadHeldOut(string path, ReadOptions options, ICollection<string> skipped)
    {
        var dataset = Dataset.Open(path, options.Root);
        return dataset.IsCollection
            ? throw new InputException($"{path} holds out-of-distribution sets ({dataset.Format}); in-distribution images were expected.")
            : dataset.Read(TestPart(dataset), NameOf(path), options, skipped);
    }

    internal static InDistributionData InDistributionOf(Dataset dataset, string path, ReadOptions options)
    {
        dataset.RequireClasses();
        if (dataset is FileDataset files)
        {
            RequireEveryClass(path, dataset, files.CountPerClass(Dataset.TrainPart), "");
        }

        var skipped = new List<string>();
        var name = NameOf(path);
        var training = dataset.Read(Dataset.TrainPart, name, options, skipped);
        RequireEveryClass(path, dataset, training.CountPerClass(), skipped.Count > 0 ? " left after the broken ones" : "");
        var test = dataset.Parts.Contains(Dataset.TestPart)
            ? dataset.Read(Dataset.TestPart, name, options with { ImageSize = training.Height, NeedsWholeImages = false }, skipped)
            : null;
        return test is not null && test.Labels.Contains(ImageSet.NoClass)
            ? throw new InputException($"{path}: the test part has images of no class (label -1); expected test images of the classes that are trained.")
            : new InDistributionData(training, test, skipped)
            {
                Validation = dataset.Parts.Contains(Dataset.ValidationPart)
                    ? dataset.Read(Dataset.ValidationPart, name, options with { ImageSize = training.Height, NeedsWholeImages = false }, skipped)
                    : null,
            };
    }

    private static void RequireEveryClass(string path, Dataset dataset, int[] counts, string left)
    {
        if (Array.IndexOf(counts, 0) is >= 0 and var empty)
        {
            var others = counts.Count(count => count == 0) - 1;
            var unread = dataset.Problems.Count > 0 ? $" {dataset.Problems[^1]}" : "";
            throw new InputException(
                $"{path}: class {dataset.ClassNames[empty]} has no training images{left}{(others == 0 ? "" : $", nor have {others:N0} others of the {counts.Length:N0} classes")}; "
                + $"every class needs one.{unread}");
        }
    }

    /// <param name="dataset">The images.</param>
    /// <param name="path">Where they are, as the user said it.</param>
    /// <param name="options">Image size and what to do about broken images.</param>
    /// <param name="skipped">Receives one sentence for each broken image that was left out.</param>
    /// <param name="chosen">The places of those that are wanted; null for all.</param>
    internal static ImageSet OutliersOf(Dataset dataset, string path, ReadOptions options, ICollection<string> skipped, IReadOnlyList<int>? chosen = null)
    {
        RequireOutliers(dataset, path);
        return WithoutClasses(chosen is null
            ? dataset.Read(Dataset.TrainPart, NameOf(path), options, skipped)
            : dataset.Read(Dataset.TrainPart, NameOf(path), chosen, options, skipped));
    }

    /// <summary>Throws where a data set has no images that may be trained on.</summary>
    /// <exception cref="InputException">It has not.</exception>
    internal static void RequireOutliers(Dataset dataset, string path)
    {
        if (!dataset.Parts.Contains(Dataset.TrainPart) || dataset.IsCollection)
        {
            throw new InputException(
                $"{path} holds test images only ({dataset.Format}); training with them as outliers would make the test worthless.");
        }
    }

    internal static IReadOnlyList<ImageSet> OutOfDistributionOf(Dataset dataset, string? name, string path, ReadOptions options, ICollection<string> skipped) =>
        dataset.IsCollection
        ? [.. dataset.Parts.Select(part => dataset.Read(part, name is null ? part : $"{name}/{part}", options, skipped))]
        : [WithoutClasses(dataset.Read(TestPart(dataset), name ?? NameOf(path), options, skipped))];

    /// <summary>Reads images of the run's classes under a covariate shift, the test part where there is one.</summary>
    internal static ImageSet ShiftedOf(Dataset dataset, string? name, string path, IReadOnlyList<string> classNames, ReadOptions options, ICollection<string> skipped)
    {
        // A list of numbers has no names: its numbers are those of the run's classes, as in the lists of a benchmark.
        if (!dataset.IsCollection && dataset.ClassNames.Count is > 0 and var count && count <= classNames.Count && dataset.ClassNames.Index().All(name => name.Item == $"class {name.Index}"))
        {
            return dataset.Read(TestPart(dataset), name ?? NameOf(path), options, skipped).NumberedAs(classNames);
        }

        string[] unknown = [.. dataset.ClassNames.Except(classNames)];
        if (dataset.IsCollection || dataset.ClassNames.Count == 0 || unknown.Length > 0)
        {
            var lack = dataset.IsCollection ? "it holds several sets" : dataset.ClassNames.Count == 0 ? "it has no classes" : $"{unknown[0]} is none of them";
            throw new InputException(
                $"{path} ({dataset.Format}) is no covariate-shifted set of the {classNames.Count} classes: {lack}. Such a set shows the classes themselves, with their names or numbers; "
                + "images of other things belong into a set of the group near or far.");
        }

        return dataset.Read(TestPart(dataset), name ?? NameOf(path), options, skipped).WithClasses(classNames);
    }

    private static string TestPart(Dataset dataset) => dataset.Parts.Contains(Dataset.TestPart) ? Dataset.TestPart : Dataset.TrainPart;

    private static ImageSet WithoutClasses(ImageSet images) => images.ClassCount == 0 ? images : images.WithoutClasses();

    private static string NameOf(string path)
    {
        var name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(path)));
        string[] endings = [".tar.gz", ".tgz", ".tar", ".npy", ".bin"];
        var ending = endings.FirstOrDefault(ending => name.EndsWith(ending, StringComparison.OrdinalIgnoreCase), "");
        return name[..^ending.Length];
    }
}

/// <summary>How image files become an <see cref="ImageSet"/>.</summary>
/// <param name="ImageSize">
/// Rows and columns of every image. An image of another size becomes a square by <see cref="Geometry"/>; by that of small images, an image of this size is untouched. Null keeps the images' own size where all are squares of one size up to 64, and stands
/// for 32 otherwise, the input of the CIFAR networks. </param>
/// <param name="SkipBroken">Leave out and list image files that cannot be decoded, instead of stopping at the first.</param>
public sealed record ReadOptions(int? ImageSize = null, bool SkipBroken = false)
{
    /// <summary>How images of other sizes become squares.</summary>
    public ImageGeometry Geometry { get; init; } = ImageGeometry.SmallImages;

    /// <summary>The folder or archive that the paths of lists start from, where the images lie elsewhere than their lists.</summary>
    public string? Root { get; init; }

    /// <summary>Whether parts of whole images will be asked for, so that files are decoded whenever they are wanted: their squares in memory would not do.</summary>
    public bool NeedsWholeImages { get; init; }

    /// <summary>Bytes that may be taken for decoded images; null for a quarter of what is free.</summary>
    internal long? MemoryLimit { get; init; }
}

/// <summary>
/// Where a folder of downloads holds the three kinds of data that training and evaluation on CIFAR-10-LT, CIFAR-100-LT or ImageNet-LT need.
/// </summary>
/// <param name="InDistribution">The classes to be recognised, for <see cref="Datasets.ReadInDistribution"/>.</param>
/// <param name="Outliers">The outlier images for training, for <see cref="Datasets.ReadOutliers"/>; null where there are none, which a method without outliers can do with.</param>
/// <param name="OutOfDistribution">The test sets, for <see cref="Datasets.ReadOutOfDistribution"/>.</param>
/// <param name="OverlappingSets">
/// Test sets there that must be left out, because they show the in-distribution classes or images themselves.
/// </param>
public sealed record DataFolder(string InDistribution, string? Outliers, string OutOfDistribution, IReadOnlyList<string> OverlappingSets)
{
    /// <summary>The folder that the paths of the in-distribution lists start from; null where the images lie beside them.</summary>
    public string? Root { get; init; }

    private const string ScoodStandIn = "scood-ood-test.tar.gz";
    private const string Cifar100StandIn = "tin100-lt-jpeg.tar.gz";
    private static readonly string[] cifar10 =
        ["cifar-10-batches-bin", "cifar-10-batches-py", "cifar-10-binary.tar.gz", "cifar-10-python.tar.gz"];

    private static readonly string[] cifar100 =
        ["cifar-100-binary", "cifar-100-python", "cifar-100-binary.tar.gz", "cifar-100-python.tar.gz"];

    private static readonly string[] outliers = ["300K_random_images.npy", "tinyimages80m/300K_random_images.npy", "oe-train-jpeg.tar.gz"];

    /// <summary>
    /// Finds CIFAR-10 under its publisher's names, else its long-tailed JPEG copy; the outliers <c>300K_random_images.npy</c>, else
    /// <c>oe-train-jpeg</c>; and the SC-OOD lists for CIFAR-10, else <c>scood-ood-test</c>.
    /// </summary>
    public static DataFolder FindCifar10(string folder) => new(
        Find(folder, "in-distribution images", [.. cifar10, "cifar10-lt-jpeg.tar.gz"]),
        FindOptional(folder, outliers),
        Find(folder, "out-of-distribution test sets", [.. ScoodLists("cifar10"), ScoodStandIn]),
        []);

    /// <summary>
    /// Finds CIFAR-100 under its publisher's names, else its 100-class stand-in from Tiny ImageNet; outliers as for CIFAR-10; and the
    /// SC-OOD lists for CIFAR-100, else <c>scood-ood-test</c> without the sets that share images with the in-distribution data or are
    /// labelled for CIFAR-10.
    /// </summary>
    public static DataFolder FindCifar100(string folder)
    {
        var inDistribution = Find(folder, "in-distribution images", [.. cifar100, Cifar100StandIn]);
        var outOfDistribution = Find(folder, "out-of-distribution test sets", [.. ScoodLists("cifar100"), ScoodStandIn]);
        string[] overlapping = Path.GetFileName(outOfDistribution) != ScoodStandIn ? []
            : Path.GetFileName(inDistribution) == Cifar100StandIn ? ["tin"]
            : ["tin", "cifar100"];
        return new DataFolder(inDistribution, FindOptional(folder, outliers), outOfDistribution, overlapping);
    }

    /// <summary>
    /// Finds ImageNet-LT as the authors of PASCL lay it out: the lists <c>ImageNet_LT_train.txt</c> and <c>ImageNet_LT_test.txt</c> (in <c>ImageNet_LT</c>, or in the folder
    /// itself), the images of ImageNet below <c>imagenet</c>, and the outliers and the test set from ImageNet's other classes, <c>imagenet_extra_1k</c> and
    /// <c>imagenet_ood_test_1k</c>.
    /// </summary>
    public static DataFolder FindImageNet(string folder) => new(
        Find(folder, "lists of ImageNet-LT", ["ImageNet_LT/ImageNet_LT_train.txt", "ImageNet_LT_train.txt"]),
        FindOptional(folder, ["imagenet_extra_1k"]),
        Find(folder, "out-of-distribution test set", ["imagenet_ood_test_1k"]),
        [])
    {
        Root = Find(folder, "images of ImageNet", ["imagenet"]),
    };

    private static string[] ScoodLists(string benchmark) => [$"data/imglist/benchmark_{benchmark}", $"imglist/benchmark_{benchmark}"];

    private static string? FindOptional(string folder, string[] names) => names.Select(name => Path.Combine(folder, name)).FirstOrDefault(Path.Exists);

    private static string Find(string folder, string what, string[] names)
    {
        if (!Directory.Exists(folder))
        {
            throw new InputException($"The data folder {folder} does not exist.");
        }

        return FindOptional(folder, names)
            ?? throw new InputException(
                $"{folder} holds no {what}; looked for {string.Join(", ", names)}. Put one of them there, or name a path of your own.");
    }
}
