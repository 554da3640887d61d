using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class LogitsTests
{
    [Test]
    public void each_row_has_a_class_and_a_score()
    {
        var logits = new Logits([0, 2, 1, 5, 5, 1], 3);
        Assert.Multiple(() =>
        {
            Assert.That(logits.Classes(), Is.EqualTo((int[])[1, 0]));
            Assert.That(logits.Scores(row => row[2]), Is.EqualTo((double[])[1, 1]));
        });
    }

    [Test]
    public void half_a_row_is_refused() =>
        Assert.That(() => new Logits(new float[7], 3), Throws.ArgumentException.With.Message.Contains("7 logits"));

    [Test]
    public void no_images_have_no_classes() => Assert.That(new Logits([], 3).Classes(), Is.Empty);
}
