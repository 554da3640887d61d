using Pascl.Training.Data;
using Pascl.Training.Devices;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;
using static TorchSharp.torch;

namespace Pascl.Tests.Training.Methods;

public sealed class MixedOutliersTests
{
    private const int Side = 4;

    private static readonly VirtualOutlierRecipe usual = new() { InUse = true };

    private readonly MixedOutliers mixing = new(usual, count: 7, seed: 3);

    // Every pixel of row r is r: view 1 of five images are the rows 0 to 4, view 2 the rows 5 to 9.
    [Test]
    public void a_row_is_the_weighted_sum_of_an_image_of_the_first_view_and_one_of_another_class_of_the_second()
    {
        using var scope = NewDisposeScope();
        int[] classes = [0, 2, 0, 1, 2];
        var batch = Numbered(classes);
        var mixed = mixing.Append(batch);
        var mixtures = mixing.Draw(classes, batch.Position);
        var rows = mixed.Images.permute(0, 2, 3, 1);
        using (Assert.EnterMultipleScope())
        {
            Assert.That((mixed.OutlierCount, mixed.RowCount, mixed.MixedLabels), Is.EqualTo((7L, 17L, (Tensor?)null)));
            Assert.That(rows.shape, Is.EqualTo((long[])[17, Side, Side, 3]));
            Assert.That(rows.is_contiguous(), "stored channels last");
            Assert.That(rows.narrow(0, 0, 10).eq(batch.Images.permute(0, 2, 3, 1)).all().item<bool>(), "the batch itself");
            Assert.That(mixtures, Has.Length.EqualTo(7));
            Assert.That(mixtures.Select(mixture => mixture.Share), Is.All.InRange(0.3f, 0.7f));
            Assert.That(mixtures.Select(mixture => classes[mixture.First] == classes[mixture.Second]), Is.All.False);
            for (var k = 0; k < 7; k++)
            {
                var expected = (mixtures[k].Share * mixtures[k].First) + ((1 - mixtures[k].Share) * (5 + mixtures[k].Second));
                Assert.That(rows[10 + k].contiguous().data<float>().ToArray(), Is.All.EqualTo(expected).Within(1e-5));
            }
        }
    }

    // i is uniform over five images and j over those of other classes: 1/5 * 1/3 for an image of a class of two, 1/5 * 1/4 for the one that is alone.
    [Test]
    public void every_pair_of_images_of_two_classes_is_drawn_as_often_as_its_probability_says()
    {
        int[] classes = [0, 2, 0, 1, 2];
        const int draws = 70_000;
        var many = new MixedOutliers(usual, draws, seed: 5).Draw(classes, default);
        var counts = many.GroupBy(mixture => (mixture.First, mixture.Second)).ToDictionary(pair => pair.Key, pair => pair.Count());
        using (Assert.EnterMultipleScope())
        {
            Assert.That(counts, Has.Count.EqualTo(16));
            foreach (var (pair, count) in counts)
            {
                var probability = 0.2 / classes.Count(label => label != classes[pair.First]);
                var deviation = Math.Sqrt(draws * probability * (1 - probability));
                Assert.That(count, Is.EqualTo(draws * probability).Within(4 * deviation), $"{pair}");
            }

            Assert.That(many.Average(mixture => mixture.Share), Is.EqualTo(0.5).Within(4 * 0.4 / Math.Sqrt(12 * draws)));
        }
    }

    [Test]
    public void a_batch_of_one_class_has_nothing_to_mix_and_its_outlier_term_is_zero()
    {
        using var scope = NewDisposeScope();
        var batch = Numbered([1, 1]) with { OutlierCount = 0 };
        using var device = ComputeDevice.Open("cpu", Backend.Torch);
        using var objective = new PasclObjective(new LossRecipe(), [false, true, false], device) { Mixing = mixing };
        var input = objective.Input(batch);
        var projection = nn.functional.normalize(ones(4, 2));
        var terms = objective.Terms(new BranchOutput(zeros(4, 3), projection, projection), input);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(input, Is.SameAs(batch));
            Assert.That(terms.InOrder(), Has.Count.EqualTo(objective.TermNames.Count));
            Assert.That(terms.Outliers!.item<float>(), Is.Zero);
            Assert.That(terms.InDistribution.item<float>(), Is.EqualTo(Math.Log(3)).Within(1e-6));
        }
    }

    [Test]
    public void the_same_step_has_the_same_mixtures_and_another_step_epoch_or_seed_others()
    {
        int[] classes = [0, 2, 0, 1, 2];
        var first = mixing.Draw(classes, new BatchPosition(1, 4, 9));
        using (Assert.EnterMultipleScope())
        {
            Assert.That(mixing.Draw(classes, new BatchPosition(1, 4, 9)), Is.EqualTo(first));
            Assert.That(mixing.Draw(classes, new BatchPosition(1, 5, 9)), Is.Not.EqualTo(first));
            Assert.That(mixing.Draw(classes, new BatchPosition(2, 4, 9)), Is.Not.EqualTo(first));
            Assert.That(new MixedOutliers(usual, count: 7, seed: 4).Draw(classes, new BatchPosition(1, 4, 9)), Is.Not.EqualTo(first));
        }
    }

    [Test]
    public void at_half_every_mixture_is_half_of_each()
    {
        var half = new MixedOutliers(usual with { LeastShare = 0.5 }, count: 20, seed: 3);
        Assert.That(half.Draw([0, 1, 2], default).Select(mixture => mixture.Share), Is.All.EqualTo(0.5f));
    }

    private static Batch Numbered(int[] classes)
    {
        var batch = BaselineFixture.Batch(classes, outliers: 0, views: 2, new BatchPosition(0, 2, 9));
        var rows = batch.Images.shape[0];
        return batch with
        {
            Images = arange(rows, dtype: ScalarType.Float32).reshape(rows, 1, 1, 1).expand(rows, Side, Side, 3).contiguous().permute(0, 3, 1, 2),
            OutlierCount = 0,
        };
    }
}
