using Pascl.Training;
using Pascl.Training.Cli;
using Pascl.Training.Data;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Training.Data;

public sealed class NoiseSetsTests
{
    private const int Size = 12;
    private const int Sampled = 300;

    [Test]
    public void gaussian_noise_is_normal_and_clipped()
    {
        var (mean, deviation, bytes) = Statistics("noise:gaussian");
        using (Assert.EnterMultipleScope())
        {
            // 0.5 +- 0.25 of 255, clipped at two deviations: 0.9594 of the deviation is left, and 2.32 % round to each end.
            Assert.That(mean, Is.EqualTo(127.5).Within(FiveErrors(63.75)));
            Assert.That(deviation, Is.EqualTo(0.9594 * 63.75).Within(FiveErrors(63.75)));
            Assert.That(Share(bytes, value => value == 0), Is.EqualTo(0.0232).Within(FiveErrors(0.15)));
            Assert.That(Share(bytes, value => value == 255), Is.EqualTo(0.0232).Within(FiveErrors(0.15)));
            Assert.That(Share(bytes, value => value is > 63 and < 192), Is.EqualTo(0.6827).Within(0.003 + FiveErrors(0.47)));
        }
    }

    [Test]
    public void rademacher_noise_is_black_or_white_in_every_value_by_itself()
    {
        var (mean, _, bytes) = Statistics("noise:rademacher");
        using (Assert.EnterMultipleScope())
        {
            Assert.That(bytes, Is.All.AnyOf(0, 255));
            Assert.That(mean, Is.EqualTo(127.5).Within(FiveErrors(127.5)));
            Assert.That(Share([.. bytes.Zip(bytes.Skip(1), (a, b) => (byte)(a == b ? 1 : 0))], same => same == 1), Is.EqualTo(0.5).Within(FiveErrors(0.5)));
        }
    }

    [Test]
    public void blobs_are_as_frequent_as_in_a_plain_simulation()
    {
        var (_, _, bytes) = Statistics("noise:blobs");
        var random = new Random(1);
        var simulated = Enumerable.Range(0, 60).SelectMany(_ =>
        {
            float[] values = [.. Enumerable.Range(0, Size * Size * 3).Select(_ => random.NextDouble() < 0.7 ? 1f : 0)];
            return NaiveBlur(values, Size, Size).Select(value => (byte)(value < 0.75 ? 0 : 255));
        });
        using (Assert.EnterMultipleScope())
        {
            Assert.That(bytes, Is.All.Matches<byte>(value => value is 0 or >= 191));
            Assert.That(Share(bytes, value => value > 0), Is.EqualTo(Share([.. simulated], value => value > 0)).Within(0.03).And.GreaterThan(0.1));
        }
    }

    [TestCase(1, 1)]
    [TestCase(5, 3)]
    [TestCase(8, 13)]
    public void the_blur_is_the_convolution_over_rows_columns_and_colours(int height, int width)
    {
        var random = new Random(2);
        float[] values = [.. Enumerable.Range(0, height * width * 3).Select(_ => (float)random.NextDouble())];
        Assert.That(GaussianBlur.Apply(values, [height, width, 3], 1.5), Is.EqualTo(NaiveBlur(values, height, width)).Within(1e-6));
    }

    [TestCase("noise:gaussian", "gaussian")]
    [TestCase("noise:rademacher", "rademacher")]
    [TestCase("noise:blobs", "blobs")]
    public void a_set_is_the_same_every_time_and_no_two_images_are_equal(string text, string name)
    {
        var (first, second) = (Set(text), Set(text));
        using (Assert.EnterMultipleScope())
        {
            Assert.That((first.Name, first.Count, first.Height, first.Width), Is.EqualTo((name, 2000, Size, Size)));
            Assert.That(first.Labels.ToArray(), Is.All.EqualTo(ImageSet.NoClass));
            Assert.That(Enumerable.Range(0, 2000).All(i => first.Pixels(i).SequenceEqual(second.Pixels(i))));
            Assert.That(Enumerable.Range(0, 2000).Select(i => Convert.ToBase64String(first.Pixels(i))).Distinct().Count(), Is.EqualTo(2000));
        }
    }

    [Test]
    public void a_set_takes_the_name_that_it_is_given_and_its_size_from_the_images()
    {
        var set = Datasets.ReadOutOfDistribution("snow", "noise:rademacher", new ReadOptions(9)).Single();
        Assert.That((set.Name, set.Height), Is.EqualTo(("snow", 9)));
        Assert.That(Datasets.ReadOutOfDistribution(null, "noise:rademacher", new ReadOptions()).Single().Height, Is.EqualTo(32));
    }

    [Test]
    public void a_set_that_is_not_built_in_is_refused() => Assert.That(
        () => Datasets.ReadOutOfDistribution(null, "noise:uniform", new ReadOptions()),
        Throws.TypeOf<InputException>().With.Message.Contains("no built-in set 'noise:uniform'").And.Message.Contains("noise:blobs"));

    [Test]
    public void on_the_command_line_a_built_in_set_stays_as_it_is_and_a_path_becomes_whole()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(RecipeOptions.ParseNamedPath("noise:blobs"), Is.EqualTo(new NamedPath(null, "noise:blobs")));
            Assert.That(RecipeOptions.ParseNamedPath("snow=noise:gaussian"), Is.EqualTo(new NamedPath("snow", "noise:gaussian")));
            Assert.That(RecipeOptions.ParseNamedPath("snow=noise"), Is.EqualTo(new NamedPath("snow", Path.GetFullPath("noise"))));
            Assert.That(RecipeOptions.ParseNamedPath("./noise:blobs"), Is.EqualTo(new NamedPath(null, Path.GetFullPath("noise:blobs"))));
        }
    }

    [Test]
    public void the_built_in_images_can_be_tested_on_noise_instead_of_their_own_sets()
    {
        var recipe = TinyTraining.Recipe;
        var data = TrainingDataReader.Read(recipe with { Data = recipe.Data with { OutOfDistribution = [new("snow", "noise:gaussian")] } });
        Assert.That(data.OutOfDistribution.Select(set => (set.Name, set.Height)), Is.EqualTo((IEnumerable<(string, int)>)[("snow", 8)]));
    }

    private static ImageSet Set(string text) => Datasets.ReadOutOfDistribution(null, text, new ReadOptions(Size)).Single();

    private static (double Mean, double Deviation, byte[] Bytes) Statistics(string text)
    {
        var set = Set(text);
        byte[] bytes = [.. Enumerable.Range(0, Sampled).SelectMany(i => set.Pixels(i).ToArray())];
        var mean = bytes.Average(value => (double)value);
        return (mean, Math.Sqrt(bytes.Average(value => (value - mean) * (value - mean))), bytes);
    }

    // Five standard errors of a mean over the sampled values, each with this standard deviation.
    private static double FiveErrors(double deviation) => 5 * deviation / Math.Sqrt(Sampled * Size * Size * 3);

    private static double Share(byte[] bytes, Func<byte, bool> condition) => bytes.Count(condition) / (double)bytes.Length;

    // One weight per triple of distances, not one pass per axis.
    private static float[] NaiveBlur(float[] values, int height, int width)
    {
        double[] weights = [.. Enumerable.Range(-6, 13).Select(x => Math.Exp(-x * x / 4.5))];
        var sum = weights.Sum();
        var blurred = new float[values.Length];
        for (var i = 0; i < values.Length; i++)
        {
            var (row, column, colour) = (i / 3 / width, i / 3 % width, i % 3);
            var total = 0.0;
            for (var k = 0; k < 13 * 13 * 13; k++)
            {
                var (a, b, c) = (k / 169, k / 13 % 13, k % 13);
                var place = (((Math.Clamp(row + a - 6, 0, height - 1) * width) + Math.Clamp(column + b - 6, 0, width - 1)) * 3)
                    + Math.Clamp(colour + c - 6, 0, 2);
                total += weights[a] * weights[b] * weights[c] * values[place];
            }

            blurred[i] = (float)(total / (sum * sum * sum));
        }

        return blurred;
    }
}
