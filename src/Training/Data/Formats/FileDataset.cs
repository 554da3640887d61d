namespace Pascl.Training.Data.Formats;

/// <summary>A data set whose images are files of a tree.</summary>
internal abstract class FileDataset : Dataset
{
    /// <summary>Where the files are.</summary>
    public required FileTree Tree { get; init; }

    /// <summary>The images of each part, by its name.</summary>
    public required IReadOnlyDictionary<string, IReadOnlyList<ImageFile>> Files { get; init; }

    public override ImageSet Read(string part, string name, ReadOptions options, ICollection<string> skipped) =>
        ImageFiles.Read(name, Tree, Files[part], ClassNames, options, skipped);

    public override IReadOnlyList<(int Width, int Height, int Count)> Sizes(string part) => ImageFiles.Sizes(Tree, Files[part]);
}
