using Pascl.Training;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class TailClassesTests
{
    [Test]
    public void the_tail_is_the_classes_with_the_fewest_images()
    {
        bool[] expected = [true, false, true, false, false];
        Assert.That(new TailClasses([1, 9, 2, 8, 7], 0.4).Flags, Is.EqualTo(expected));
    }

    [Test]
    public void of_classes_with_equally_many_images_the_higher_index_is_the_tail()
    {
        bool[] expected = [false, false, false, true, true];
        Assert.That(new TailClasses([3, 3, 3, 3, 3], 0.4).Flags, Is.EqualTo(expected));
    }

    [Test]
    public void the_index_rule_ignores_the_counts()
    {
        bool[] expected = [false, false, false, true, true];
        Assert.That(new TailClasses([1, 9, 2, 8, 7], 0.4, TailRule.HighestIndex).Flags, Is.EqualTo(expected));
    }

    [TestCase(10, 0.4, 4)]
    [TestCase(100, 0.4, 40)]
    [TestCase(10, 0.35, 4, Description = "round(6.5) is 6")]
    [TestCase(10, 0.45, 4, Description = "round(5.5) is 6")]
    [TestCase(7, 0.3, 2)]
    [TestCase(3, 1.0, 3)]
    public void the_number_of_tail_classes_is_rounded_half_to_even(int classes, double fraction, int expected) =>
        Assert.That(new TailClasses(new int[classes], fraction).Count, Is.EqualTo(expected));

    [TestCase(0)]
    [TestCase(-0.1)]
    [TestCase(1.1)]
    [TestCase(double.NaN)]
    [TestCase(0.04)]
    public void a_fraction_without_a_class_is_refused(double fraction) =>
        Assert.That(() => new TailClasses(new int[10], fraction), Throws.TypeOf<InputException>());
}
