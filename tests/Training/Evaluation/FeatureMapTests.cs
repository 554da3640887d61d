using Pascl.Training.Evaluation;

namespace Pascl.Tests.Training.Evaluation;

public sealed class FeatureMapTests
{
    [Test]
    public void the_two_directions_of_most_spread_are_found_with_their_shares_and_signs()
    {
        // Along (0.6, -0.8, 0) with spread 10 and along (0, 0, 1) with spread 2, nothing along the third direction.
        float[] first = [10, -10, 10, -10], second = [2, 2, -2, -2];
        var rows = first.Zip(second).SelectMany(p => new[] { (0.6f * p.First) + 5, (-0.8f * p.First) - 1, p.Second }).ToArray();
        var map = FeatureMap.Of([("head", ImageGroup.Head, new Features(rows[..6], 3)), ("far", ImageGroup.OutOfDistribution, new Features(rows[6..], 3))]);
        Assert.Multiple(() =>
        {
            Assert.That(map.ExplainedShare, Is.EqualTo((double[])[100 / 104.0, 4 / 104.0]).Within(5e-5), "four digits");
            // The largest entry of a direction is positive: (-0.6, 0.8, 0).
            Assert.That(map.Groups[0].X, Is.EqualTo((double[])[-10, 10]).Within(1e-4));
            Assert.That(map.Groups[0].Y, Is.EqualTo((double[])[2, 2]).Within(1e-4));
            Assert.That(map.Groups[1].X, Is.EqualTo((double[])[-10, 10]).Within(1e-4));
            Assert.That(map.Groups[1].Y, Is.EqualTo((double[])[-2, -2]).Within(1e-4));
            Assert.That(map.Groups.Select(group => group.Name), Is.EqualTo((string[])["head", "far"]));
        });
    }

    [Test]
    public void equal_features_lie_on_one_point()
    {
        var map = FeatureMap.Of([("head", ImageGroup.Head, new Features([1, 2, 1, 2], 2))]);
        Assert.Multiple(() =>
        {
            Assert.That(map.ExplainedShare, Has.All.NaN);
            Assert.That(map.Groups[0].X.Concat(map.Groups[0].Y), Has.All.Zero);
        });
    }
}
