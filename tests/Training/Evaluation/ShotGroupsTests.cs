using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class ShotGroupsTests
{
    [Test]
    public void cifar10_long_tail_has_three_many_three_medium_and_four_few_shot_classes() => Assert.That(
        Names([5000, 2997, 1796, 1077, 645, 387, 232, 139, 83, 50], ShotRule.Rank),
        Is.EqualTo("Many Many Many Medium Medium Medium Medium Few Few Few"));

    [Test]
    public void classes_need_not_be_sorted_by_count() => Assert.That(
        Names([50, 5000, 1077, 139, 2997, 645, 83, 1796, 387, 232], ShotRule.Rank),
        Is.EqualTo("Few Many Medium Few Many Medium Few Many Medium Medium"));

    [Test]
    public void the_count_rule_leaves_100_and_20_in_the_middle() =>
        Assert.That(Names([101, 100, 20, 19], ShotRule.Count), Is.EqualTo("Many Medium Medium Few"));

    [TestCase(ShotRule.Rank)]
    [TestCase(ShotRule.Count)]
    public void balanced_classes_are_all_medium(ShotRule rule) =>
        Assert.That(Names([50, 50, 50], rule), Is.EqualTo("Medium Medium Medium"));

    [Test]
    public void a_single_class_is_medium() => Assert.That(Names([7], ShotRule.Rank), Is.EqualTo("Medium"));

    [Test]
    public void the_usual_rule_changes_above_a_hundred_classes()
    {
        Assert.Multiple(() =>
        {
            Assert.That(ShotGroups.UsualRule(100), Is.EqualTo(ShotRule.Rank));
            Assert.That(ShotGroups.UsualRule(101), Is.EqualTo(ShotRule.Count));
        });
    }

    [Test]
    public void no_class_is_refused() => Assert.That(() => ShotGroups.From([], ShotRule.Rank), Throws.ArgumentException);

    private static string Names(int[] counts, ShotRule rule)
    {
        var groups = ShotGroups.From(counts, rule);
        return string.Join(' ', Enumerable.Range(0, groups.ClassCount).Select(c => groups[c]));
    }
}
