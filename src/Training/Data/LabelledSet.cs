namespace Pascl.Training.Data;

/// <summary>
/// A set of images as an evaluation sees it: a name, and a label for every image. The images themselves need not be at hand: an <see cref="ImageSet"/> has them, and a
/// set whose features and logits somebody else computed has not.
/// </summary>
public class LabelledSet
{
    /// <summary>The label of an image that shows none of the classes.</summary>
    public const int NoClass = -1;

    /// <summary>Creates a set.</summary>
    /// <param name="name">Short name for tables and messages.</param>
    /// <param name="labels">The class of every image, from 0; <see cref="NoClass"/> where it shows none.</param>
    /// <param name="classNames">Class names in label order; empty for a set without classes.</param>
    public LabelledSet(string name, int[] labels, IReadOnlyList<string> classNames) => (Name, LabelArray, ClassNames) = (name, labels, classNames);

    /// <summary>Short name for tables and messages.</summary>
    public string Name { get; }

    /// <summary>Class names in label order.</summary>
    public IReadOnlyList<string> ClassNames { get; }

    /// <summary>What kind of test set it is; null where nobody says.</summary>
    public SetGroup? Group { get; init; }

    /// <summary>Number of classes.</summary>
    public int ClassCount => ClassNames.Count;

    /// <summary>Number of images.</summary>
    public int Count => LabelArray.Length;

    /// <summary>The class of every image, from 0; <see cref="NoClass"/> where it shows none.</summary>
    public ReadOnlySpan<int> Labels => LabelArray;

    /// <summary>The labels, not to be changed.</summary>
    private protected int[] LabelArray { get; }

    /// <summary>Where image <paramref name="index"/> came from, or its number where that is not known.</summary>
    public virtual string Source(int index) => $"{Name}[{index}]";

    /// <summary>Number of images per class.</summary>
    public int[] CountPerClass()
    {
        var counts = new int[ClassCount];
        foreach (var label in LabelArray)
        {
            if (label != NoClass)
            {
                counts[label]++;
            }
        }

        return counts;
    }
}

/// <summary>Kinds of test sets beside the in-distribution one, as OpenOOD v1.5 groups them (Zhang et al., arXiv 2306.09301).</summary>
public enum SetGroup
{
    /// <summary>Out of distribution, and near to the classes in what it shows.</summary>
    Near,

    /// <summary>Out of distribution, and far from the classes.</summary>
    Far,

    /// <summary>The classes themselves under a covariate shift: other styles, corruptions, cameras. Not out of distribution.</summary>
    Shift,
}
