using System.Globalization;
using Pascl.Training.Data;
using Pascl.Training.Evaluation;
using Pascl.Training.Evaluation.Scores;
using Pascl.Training.Methods;
using Pascl.Training.Networks;
using Pascl.Training.Recipes;

namespace Pascl.Tests.Conformance;

/// <summary>The scores of images on the published cases.</summary>
public sealed class ScoreConformanceTests
{
    private const string Family = "scores";

    private static readonly string[] readouts = ["outlier-probability", "abstention-mass"];

    private static IEnumerable<TestCaseData> Cases => ConformanceFile.Tests(Family);

    [TestCaseSource(nameof(Cases))]
    public void a_score_has_the_values_of_the_definition(object published)
    {
        var @case = (ConformanceCase)published;
        @case.Check(readouts.Contains(@case.Quantity) ? Reading(@case) : new { Scores = Scores(@case) });
    }

    [Test]
    public void every_score_has_a_case_with_its_usual_parameters()
    {
        ConformanceCase[] cases = [.. ConformanceFile.Read(Family).Cases];
        var missing = ScoreSpec.All.Where(kind => !cases.Any(@case => @case.Quantity == kind.Name
            && kind.Parameters.All(parameter => @case.Parameter(parameter.Name) == parameter.Default))).Select(kind => kind.Name);
        Assert.That(missing, Is.Empty);
    }

    [Test]
    public void every_method_is_read_by_a_score_that_has_a_case()
    {
        var names = ConformanceFile.Read(Family).Cases.Select(@case => @case.Quantity).ToHashSet();
        var recipe = Presets.Find("quickstart").Recipe;
        Assert.That(MethodDefinition.All.Select(method => method.Head(recipe with { Method = method.Name }, 3).Readout([0.5, 0.3, 0.2]).ScoreName).Distinct(), Is.SubsetOf(names));
    }

    private static double[] Scores(ConformanceCase @case)
    {
        var spec = ScoreSpec.Parse(
            @case.Quantity + string.Concat(@case.Parameters.Select(p => string.Create(CultureInfo.InvariantCulture, $":{p.Key}={p.Value.GetDouble():R}"))));
        var classifier = new LinearClassifier(@case.Floats("classifier.weight"), @case.Floats("classifier.bias"));
        var classes = classifier.Bias.Length;
        using var network = @case.Has("network.weight")
            ? new RectifiedLinearNetwork(@case.Floats("network.weight"), @case.Floats("network.bias"), classifier)
            : new RectifiedLinearNetwork(new float[3], [0], new LinearClassifier(new float[classes], new float[classes]));
        var labels = @case.Integers("training.labels");
        string[] names = [.. Enumerable.Range(0, classes).Select(label => $"class {label}")];
        if (@case.Has("network.weight"))
        {
            var training = FeaturePass.Of(network, Images(@case, "training.images", labels, names));
            return spec.Fit(new ScoreFitting(network, training)).Of(FeaturePass.Of(network, Images(@case, "test.images", null, names)));
        }

        return spec.Fit(new ScoreFitting(network, Pass(@case.Floats("training.features"), labels, names, classifier)) { Classifier = classifier }).Of(
            Pass(@case.Floats("test.features"), null, names, classifier));
    }

    // The products and sums of the cases are exact in float32, so that the logits are those of double precision.
    private static FeaturePass Pass(float[] features, int[]? labels, string[] names, LinearClassifier classifier)
    {
        var (classes, width) = (classifier.Bias.Length, classifier.Weight.Length / classifier.Bias.Length);
        var count = features.Length / width;
        var logits = new float[count * classes];
        for (var i = 0; i < logits.Length; i++)
        {
            var (image, label) = (i / classes, i % classes);
            var exact = (double)classifier.Bias[label];
            for (var j = 0; j < width; j++)
            {
                exact += (double)features[(image * width) + j] * classifier.Weight[(label * width) + j];
            }

            logits[i] = (float)exact;
            Assert.That((double)logits[i], Is.EqualTo(exact), "a logit of the case is not a float32 number");
        }

        var rows = new Logits(logits, classes);
        var images = new ImageSet("set", new PixelBlock(count, 1, 1), labels ?? [.. Enumerable.Repeat(ImageSet.NoClass, count)], names);
        return new FeaturePass(images, new Predictions(rows, rows), new Features(features, width));
    }

    // (images, 3, height, width) bytes.
    private static ImageSet Images(ConformanceCase @case, string input, int[]? labels, string[] names)
    {
        var (bytes, length) = @case.Matrix(input);
        var side = (int)Math.Sqrt(length / 3);
        var pixels = new PixelBlock(bytes.Length / length, side, side);
        for (var i = 0; i < bytes.Length; i++)
        {
            var (channel, place) = (i % length / (side * side), i % (side * side));
            pixels.Writable(i / length)[(place * 3) + channel] = (byte)bytes[i];
        }

        return new ImageSet(input, pixels, labels ?? [.. Enumerable.Repeat(ImageSet.NoClass, bytes.Length / length)], names);
    }

    private static object Reading(ConformanceCase @case)
    {
        var outputs = @case.Floats("outputs");
        var columns = @case.Matrix("outputs").Columns;
        var classes = (int)@case.Parameter("classes", columns - 1);
        Readout readout = @case.Quantity == "abstention-mass"
            ? new AbstentionReadout((int)@case.Parameter("heads"), classes)
            : new OutlierColumnReadout([.. @case.Numbers("prior").Select(share => @case.Parameter("tau") * Math.Log(share))], calibratesAuxiliary: true);
        var rows = outputs.Chunk(columns).ToArray();
        var logits = rows.Select(row =>
        {
            var ofClasses = new float[classes];
            readout.ClassLogits(row, readout.ScoreBranch, ofClasses);
            return Array.ConvertAll(ofClasses, value => (double)value);
        });
        return new { Scores = rows.Select(row => readout.Score(row, readout.ScoreBranch)).ToArray(), Logits = logits.ToArray() };
    }
}
