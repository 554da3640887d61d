namespace Pascl.Training.Data.Formats;

/// <summary>One of the four published forms of CIFAR (A. Krizhevsky, 2009; https://www.cs.toronto.edu/~kriz/cifar.html).</summary>
/// <param name="Format">Its name in words.</param>
/// <param name="TrainingFiles">Files of the training part, in order.</param>
/// <param name="TestFile">File of the test part.</param>
/// <param name="NameFile">File of class names.</param>
/// <param name="ClassNames">The class names where that file is missing.</param>
/// <param name="LabelKey">Key of the labels in a pickle; null for the binary form.</param>
/// <param name="NameKey">Key of the class names in a pickle; null for the binary form.</param>
/// <param name="LabelBytes">Bytes before the pixels of a binary record; the last of them is the label.</param>
internal sealed record CifarLayout(
    string Format,
    IReadOnlyList<string> TrainingFiles,
    string TestFile,
    string NameFile,
    IReadOnlyList<string> ClassNames,
    string? LabelKey,
    string? NameKey,
    int LabelBytes)
{
    private static readonly string[] batches = [.. Enumerable.Range(1, 5).Select(number => $"data_batch_{number}")];

    public static CifarLayout TenBinary { get; } = new(
        "CIFAR-10, binary",
        [.. batches.Select(batch => $"{batch}.bin")],
        "test_batch.bin",
        "batches.meta.txt",
        CifarNames.Ten,
        null,
        null,
        1);

    public static CifarLayout HundredBinary { get; } = new(
        "CIFAR-100, binary", ["train.bin"], "test.bin", "fine_label_names.txt", CifarNames.Hundred, null, null, 2);

    public static CifarLayout TenPython { get; } = new(
        "CIFAR-10, Python", batches, "test_batch", "batches.meta", CifarNames.Ten, "labels", "label_names", 0);

    public static CifarLayout HundredPython { get; } = new(
        "CIFAR-100, Python", ["train"], "test", "meta", CifarNames.Hundred, "fine_labels", "fine_label_names", 0);

    public static IReadOnlyList<CifarLayout> All { get; } = [TenBinary, HundredBinary, TenPython, HundredPython];

    /// <summary>Whether the files are Python pickles.</summary>
    public bool IsPickle => LabelKey is not null;
}
