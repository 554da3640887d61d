using System.Globalization;
using System.Text.Json;
using Pascl.Training;
using Pascl.Training.Data;

namespace Pascl.Tests.Training.Data;

public sealed class LongTailProfileTests
{
    [Test]
    public void exponential_profiles_equal_the_golden_ones()
    {
        using var golden = JsonDocument.Parse(File.ReadAllText(Path.Combine(Repository.Golden, "metrics.json")));
        var profiles = golden.RootElement.GetProperty("profiles").EnumerateObject().ToArray();
        Assert.That(profiles, Is.Not.Empty);
        foreach (var profile in profiles)
        {
            var name = profile.Name.Split('x');
            var (classes, ratio) = (int.Parse(name[0], CultureInfo.InvariantCulture), double.Parse(name[1], CultureInfo.InvariantCulture));
            int[] expected = [.. profile.Value.EnumerateArray().Select(count => count.GetInt32())];
            Assert.That(new LongTailProfile(LongTailShape.Exponential, ratio).Counts(classes, expected[0]), Is.EqualTo(expected), profile.Name);
        }
    }

    [Test]
    public void counts_tell_the_profile_that_they_follow()
    {
        var exponential = new LongTailProfile(LongTailShape.Exponential, 0.02);
        var step = new LongTailProfile(LongTailShape.Step, 0.1);
        Assert.That(LongTailProfile.Of(exponential.Counts(10, 200)), Is.EqualTo(exponential));
        Assert.That(LongTailProfile.Of(step.Counts(6, 200)), Is.EqualTo(step));
        Assert.That(LongTailProfile.Of([9, 9, 9]), Is.Null);
        Assert.That(LongTailProfile.Of([9, 2, 8, 1]), Is.Null);
        Assert.That(LongTailProfile.Of([9, 3, 0]), Is.Null);
        Assert.That(LongTailProfile.Of([]), Is.Null);
    }

    [Test]
    public void a_step_profile_is_full_for_the_first_half()
    {
        int[] even = [50, 50, 5, 5], odd = [50, 5, 5];
        var profile = new LongTailProfile(LongTailShape.Step, 0.1);
        Assert.That(profile.Counts(4, 50), Is.EqualTo(even));
        Assert.That(profile.Counts(3, 50), Is.EqualTo(odd));
    }

    [Test]
    public void the_first_images_of_each_class_are_kept_in_their_order()
    {
        int[] labels = [1, 0, 1, 0, 0, 1, 0, 1];
        var subset = new LongTailProfile(LongTailShape.Exponential, 0.5).Apply(Sets.WithLabels(labels, 2));
        int[] expectedLabels = [1, 0, 1, 0, 0, 0], expectedImages = [0, 1, 2, 3, 4, 6];
        Assert.That(subset.Labels.ToArray(), Is.EqualTo(expectedLabels));
        Assert.That(Enumerable.Range(0, subset.Count).Select(i => (int)subset.Pixels(i)[0]), Is.EqualTo(expectedImages));
    }

    [Test]
    public void a_set_that_follows_the_profile_is_left_whole()
    {
        int[] labels = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
        var set = Sets.WithLabels(labels, 3);
        Assert.That(new LongTailProfile(LongTailShape.Exponential, 1.0 / 9).Apply(set).Count, Is.EqualTo(set.Count));
    }

    [Test]
    public void asking_for_more_than_a_class_has_says_the_numbers()
    {
        int[] labels = [0, 0, 0, 0, 1];
        Assert.That(
            () => new LongTailProfile(LongTailShape.Exponential, 0.5).Apply(Sets.WithLabels(labels, 2)),
            Throws.TypeOf<InputException>().With.Message.Contains("asks for 2 images of class c1").And.Message.Contains("has 1"));
    }

    [TestCase(0)]
    [TestCase(1.5)]
    [TestCase(double.NaN)]
    [TestCase(0.001)]
    public void a_ratio_that_cannot_be_met_is_refused(double ratio) =>
        Assert.That(() => new LongTailProfile(LongTailShape.Exponential, ratio).Counts(10, 100), Throws.TypeOf<InputException>());
}

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
