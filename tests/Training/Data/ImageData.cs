namespace Pascl.Tests.Training.Data;

/// <summary>
/// A folder of image archives and what tests expect to find in it: the samples of the repository, drawn in the layout of the large data, and the large real
/// data themselves on a machine that has them. A test that takes one runs on both.
/// </summary>
public sealed record ImageData(string Name, string Folder)
{
    /// <summary>The names of CIFAR-10-LT, 100 classes, scenes by lists, outliers, test sets and official formats.</summary>
    public static IReadOnlyList<string> Archives { get; } =
        ["cifar10-lt-jpeg", "tin100-lt-jpeg", "scenes128-lt-jpeg", "oe-train-jpeg", "scood-ood-test", "format-samples"];

    /// <summary>The samples, and the large data where they are.</summary>
    public static IReadOnlyList<ImageData> All => Directory.Exists(Repository.LargeData) ? [Samples, Large] : [Samples];

    /// <summary>Training images of the ten classes, exponential with ratio 0.01.</summary>
    public required int[] TenCounts { get; init; }

    /// <summary>Test images of each of the ten classes.</summary>
    public required int TenTestPerClass { get; init; }

    /// <summary>What an exponential profile of ratio 0.1 would ask of the second class, which has fewer.</summary>
    public required int SecondClassAtTenth { get; init; }

    /// <summary>Training images of the classes whose order a list gives.</summary>
    public required (double Ratio, int Classes, int Largest) ListedProfile { get; init; }

    /// <summary>The second class of that list.</summary>
    public required string SecondListedClass { get; init; }

    /// <summary>Two files there, of different classes, that show one picture.</summary>
    public required (string First, string Second) SamePicture { get; init; }

    /// <summary>Training images of the scenes, which list files name.</summary>
    public required int[] SceneCounts { get; init; }

    /// <summary>Validation images of each scene.</summary>
    public required int ScenesPerClassInValidation { get; init; }

    /// <summary>The second scene.</summary>
    public required string SecondScene { get; init; }

    /// <summary>Outliers for training.</summary>
    public required int OutlierCount { get; init; }

    /// <summary>Images of the test sets, and how many of them show a class.</summary>
    public required (string Name, int Count, int InDistribution)[] TestSets { get; init; }

    /// <summary>Records of one batch in CIFAR-10's binary form, and of its test part.</summary>
    public required (int Batch, int Test) Cifar10Records { get; init; }

    /// <summary>Root-mean-square difference between a JPEG copy of a test image and its record without loss, at most.</summary>
    public required double JpegDifference { get; init; }

    /// <summary>The labels of the first five records.</summary>
    public required int[] FirstLabels { get; init; }

    /// <summary>Records of CIFAR-100's test part.</summary>
    public required int Cifar100TestCount { get; init; }

    /// <summary>Images of the NumPy file.</summary>
    public required int ArrayCount { get; init; }

    /// <summary>Pictures with a mean colour by Pillow, and files among the odd ones that can be decoded.</summary>
    public required (int WithMeanColour, int OddDecodable) Pictures { get; init; }

    /// <summary>Sixty steps of training on the ten classes: epochs and batches as options of the program.</summary>
    public required string SixtySteps { get; init; }

    private static ImageData Samples { get; } = new("samples", Repository.Samples)
    {
        TenCounts = [100, 59, 35, 21, 12, 7, 4, 2, 1, 1],
        TenTestPerClass = 10,
        SecondClassAtTenth = 77,
        ListedProfile = (0.2, 10, 20),
        SecondListedClass = "n03",
        SamePicture = ("n03_2.JPEG", "n09_1.JPEG"),
        SceneCounts = [4, 2, 1],
        ScenesPerClassInValidation = 2,
        SecondScene = "alley",
        OutlierCount = 320,
        TestSets = [("cifar100", 12, 0), ("lsun_substitute", 10, 0), ("places365", 10, 0), ("svhn", 14, 0), ("texture", 12, 0), ("tin", 24, 4)],
        Cifar10Records = (4, 20),
        JpegDifference = 5.8,
        FirstLabels = [8, 1, 9, 8, 0],
        Cifar100TestCount = 8,
        ArrayCount = 12,
        Pictures = (24, 23),
        SixtySteps = "--epochs 10 --batch 40 --outlier-batch 40 --finetune-epochs 4 --finetune-batch 40 --finetune-learning-rate 0.01",
    };

    private static ImageData Large { get; } = new("large", Repository.LargeData)
    {
        TenCounts = [5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50],
        TenTestPerClass = 1000,
        SecondClassAtTenth = 3871,
        ListedProfile = (0.01, 100, 500),
        SecondListedClass = "n01742172",
        SamePicture = ("n01983481_199.JPEG", "n01984695_120.JPEG"),
        SceneCounts = [200, 129, 83, 54, 35, 22, 14, 9, 6, 4],
        ScenesPerClassInValidation = 30,
        SecondScene = "bamboo_forest",
        OutlierCount = 29_918,
        TestSets =
        [
            ("cifar100", 916, 0), ("lsun_substitute", 900, 0), ("places365", 1640, 0), ("svhn", 1083, 0), ("texture", 1200, 0), ("tin", 2200, 200),
        ],
        Cifar10Records = (100, 100),
        JpegDifference = 15.3,
        FirstLabels = [6, 9, 9, 4, 1],
        Cifar100TestCount = 916,
        ArrayCount = 200,
        Pictures = (46, 18),
        SixtySteps = "--epochs 3 --batch 128 --outlier-batch 128 --max-outliers 2560 --finetune-epochs 1 --finetune-batch 512",
    };

    /// <summary>The path of an archive.</summary>
    public string Archive(string name) => Path.Combine(Folder, $"{name}.tar.gz");

    /// <summary>The path of a folder among the official formats.</summary>
    public string Format(string name) => Path.Combine(Archive("format-samples"), name);

    /// <inheritdoc/>
    public override string ToString() => Name;
}
