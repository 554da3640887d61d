namespace Pascl.Training.Data;

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
