namespace Pascl.Training.Data;

/// <summary>How the number of training images falls over the classes.</summary>
public enum LongTailShape
{
    /// <summary>By the same factor from class to class.</summary>
    Exponential,

    /// <summary>Once, at half of the classes.</summary>
    Step,
}
