using Pascl.Training;
using Pascl.Training.Evaluation.Scores;

namespace Pascl.Tests.Training.Evaluation.Scores;

public sealed class ScoreSpecificationTests
{
    [TestCase("msp", "msp")]
    [TestCase("energy", "energy")]
    [TestCase("energy:temperature=1", "energy")]
    [TestCase("energy:temperature=2.50", "energy:temperature=2.5")]
    [TestCase("msp-imood : strength=2e-2", "msp-imood:strength=0.02")]
    public void a_score_is_written_as_it_is_read(string text, string expected)
    {
        var specification = ScoreSpecification.Parse(text);
        Assert.That(specification.ToString(), Is.EqualTo(expected));
        Assert.That(ScoreSpecification.Parse(expected).Values, Is.EqualTo(specification.Values));
    }

    [Test]
    public void all_is_every_score_and_none_counts_twice()
    {
        Assert.That(ScoreSpecification.ParseList("all").Select(score => score.ToString()), Is.EqualTo(ScoreKinds.All.Select(kind => kind.Name)));
        Assert.That(
            ScoreSpecification.ParseList("energy, msp,energy:temperature=1,energy:temperature=2").Select(score => score.ToString()),
            Is.EqualTo((string[])["energy", "msp", "energy:temperature=2"]));
        Assert.That(ScoreSpecification.ParseList("energy:temperature=2,all"), Has.Count.EqualTo(ScoreKinds.All.Count + 1));
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
        var message = Assert.Throws<InputException>(() => ScoreSpecification.ParseList(text))!.Message;
        Assert.That(expected, Is.All.Matches<string>(part => message.Contains(part, StringComparison.Ordinal)), message);
    }

    [Test]
    public void every_score_says_what_it_is_and_has_a_name_of_its_own()
    {
        Assert.That(ScoreKinds.All.Select(kind => kind.Name), Is.Unique);
        Assert.That(ScoreKinds.All, Has.All.Matches<ScoreKind>(kind => kind.Definition.Length > 0 && kind.Source.Length > 0));
        Assert.That(ScoreKinds.All.SelectMany(kind => kind.Parameters), Has.All.Matches<ScoreParameter>(parameter => parameter.Meaning.Length > 0));
    }

    [Test]
    public void a_prior_needs_an_image_of_every_class() =>
        Assert.That(() => ScoreSpecification.Parse("msp-prior").OfLogits([5, 0]), Throws.ArgumentException.With.Message.Contains("no prior"));
}
