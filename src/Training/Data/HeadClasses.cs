namespace Pascl.Training.Data;

/// <summary>The head classes: those with the most training images.</summary>
internal static class HeadClasses
{
    /// <summary>Flags the head among C classes.</summary>
    /// <param name="countPerClass">(C): training images of each class.</param>
    /// <param name="fraction">Fraction of the classes; their number is rounded to even, and at least one.</param>
    /// <param name="rule">What <see cref="TailClasses"/> sorts by: by index, the head has the lowest ones.</param>
    /// <param name="further">Classes that are added to that number.</param>
    public static bool[] Flags(IReadOnlyList<int> countPerClass, double fraction, TailRule rule, int further = 0)
    {
        var number = Math.Max(1, (int)Math.Round(fraction * countPerClass.Count, MidpointRounding.ToEven)) + further;
        var flags = new bool[countPerClass.Count];
        var order = Enumerable.Range(0, flags.Length);
        foreach (var label in (rule == TailRule.FewestImages ? order.OrderByDescending(label => countPerClass[label]) : order).Take(number))
        {
            flags[label] = true;
        }

        return flags;
    }
}
