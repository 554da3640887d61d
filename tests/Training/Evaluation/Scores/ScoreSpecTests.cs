using Pascl.Training;
using Pascl.Training.Evaluation.Scores;

namespace Pascl.Tests.Training.Evaluation.Scores;

public sealed class ScoreSpecTests
{
    [TestCase("msp", "msp")]
    [TestCase("energy", "energy")]
    [TestCase("energy:temperature=1", "energy")]
    [TestCase("energy:temperature=2.50", "energy:temperature=2.5")]
    [TestCase("msp-imood : strength=2e-2", "msp-imood:strength=0.02")]
    public void a_score_is_written_as_it_is_read(string text, string expected)
    {
        var spec = ScoreSpec.Parse(text);
        Assert.That(spec.ToString(), Is.EqualTo(expected));
        Assert.That(ScoreSpec.Parse(expected).Values, Is.EqualTo(spec.Values));
    }

    [Test]
    public void other_values_are_those_of_one_score_and_leave_the_default_ones_alone()
    {
        var (hot, usual) = (ScoreSpec.Parse("energy:temperature=2"), ScoreSpec.All.Single(score => score.Name == "energy"));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((hot[hot.Parameters[0]], usual[usual.Parameters[0]]), Is.EqualTo((2.0, 1.0)));
            Assert.That(hot.OfLogits([1, 1])([1, 1]), Is.EqualTo(-1 - (2 * Math.Log(2))).Within(1e-14));
            Assert.That(usual.OfLogits([1, 1])([1, 1]), Is.EqualTo(-1 - Math.Log(2)).Within(1e-14));
        }
    }

    [Test]
    public void all_is_every_score_and_none_counts_twice()
    {
        Assert.That(ScoreSpec.ParseList("all").Select(score => score.ToString()), Is.EqualTo(ScoreSpec.All.Select(score => score.Name)));
        Assert.That(
            ScoreSpec.ParseList("energy, msp,energy:temperature=1,energy:temperature=2").Select(score => score.ToString()),
            Is.EqualTo((string[])["energy", "msp", "energy:temperature=2"]));
        Assert.That(ScoreSpec.ParseList("energy:temperature=2,all"), Has.Count.EqualTo(ScoreSpec.All.Count + 1));
    }

    [TestCase("mps", "no score 'mps'", "msp, max-logit")]
    [TestCase("", "no score ''")]
    [TestCase("MSP", "no score 'MSP'")]
    [TestCase("msp:temperature=2", "msp has no parameter 'temperature'", "takes none")]
    [TestCase("energy:t=2", "energy has no parameter 't'", "energy:temperature=NUMBER")]
    [TestCase("energy:temperature", "temperature of the score energy is ''", "above 0")]
    [TestCase("energy:temperature=0", "'0'", "above 0")]
    [TestCase("energy:temperature=NaN", "'NaN'", "above 0")]
    [TestCase("energy:temperature=1e999", "'1e999'", "above 0")]
    [TestCase("energy-imood:strength=-1", "'-1'", "at least 0")]
    public void a_wrong_name_or_value_is_refused_with_what_there_is(string text, params string[] expected)
    {
        var message = Assert.Throws<InputException>(() => ScoreSpec.ParseList(text))!.Message;
        Assert.That(expected, Is.All.Matches<string>(part => message.Contains(part, StringComparison.Ordinal)), message);
    }

    [Test]
    public void every_score_says_what_it_is_and_has_a_name_of_its_own()
    {
        Assert.That(ScoreSpec.All.Select(score => score.Name), Is.Unique);
        Assert.That(ScoreSpec.All, Has.All.Matches<ScoreSpec>(score => score.Definition.Length > 0 && score.Source.Length > 0));
        Assert.That(ScoreSpec.All.SelectMany(score => score.Parameters), Has.All.Matches<ScoreParameter>(parameter => parameter.Meaning.Length > 0));
    }

    [Test]
    public void a_prior_needs_an_image_of_every_class() =>
        Assert.That(() => ScoreSpec.Parse("msp-prior").OfLogits([5, 0]), Throws.ArgumentException.With.Message.Contains("no prior"));
}
