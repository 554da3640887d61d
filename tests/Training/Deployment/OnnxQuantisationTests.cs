using System.Runtime.InteropServices;
using Google.Protobuf;
using Pascl.Training;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using Pascl.Training.Evaluation;
using Pascl.Training.Networks;
using TorchSharp;

namespace Pascl.Tests.Training.Deployment;

/// <summary>Models in whole numbers of eight bits.</summary>
public sealed class OnnxQuantisationTests
{
    private static readonly string[] floats = ["Conv", "FusedConv"];
    private static readonly string[] maxima = ["MaxPool", "NhwcMaxPool"];

    [OneTimeSetUp]
    public void RequireLibrary() => OnnxLibrary.Require();

    [TestCase(PixelType.UInt8)]
    [TestCase(PixelType.Float)]
    public void the_numbers_stay_near_those_of_float32(PixelType input)
    {
        var images = OnnxVerification.Choose(TinyTraining.Data.Test, 96);
        using var network = WithStatisticsOf(images);
        var deployed = SmallNetworks.Deployed(network, "energy");
        var quantised = OnnxQuantisation.Of(deployed, input, images);
        var exact = OnnxQuantisation.Answers(OnnxModel.Create(deployed, input).ToByteArray(), input, images, out _);
        var found = OnnxQuantisation.Answers(quantised.Bytes, input, images, out _);
        Assert.Multiple(() =>
        {
            Assert.That(found.Logits, Is.Not.EqualTo(exact.Logits));
            Assert.That(Correlation(found.Scores, exact.Scores), Is.GreaterThan(0.95), "of the pictures; one scale that is wrong anywhere leaves nothing of it");
            for (var label = 0; label < 5; label++)
            {
                Assert.That(Correlation(OfClass(found, label), OfClass(exact, label)), Is.GreaterThan(0.95));
            }

            Assert.That(quantised.ImageCount, Is.EqualTo(96));
            Assert.That(quantised.Share, Is.InRange(0.999, 1));
        });
    }

    [TestCase("resnet18", 40, 16, 0)]
    [TestCase("resnet18-imagenet", 40, 16, 2)]
    public void the_runtime_joins_the_pairs_into_convolutions_of_whole_numbers(string kind, int convolutions, int sums, int pools)
    {
        using var folder = new TemporaryFolder();
        using var network = SmallNetworks.Create(8, network: kind);
        var quantised = OnnxQuantisation.Of(SmallNetworks.Deployed(network, "max-logit", 0.5), PixelType.UInt8, SmallNetworks.Images(5, 64, 64));
        var optimised = Path.Combine(folder.Path, "optimised.onnx");
        using (new OnnxSession(quantised.Bytes, optimisedFile: optimised))
        {
            var nodes = ModelProto.Parser.ParseFrom(File.ReadAllBytes(optimised)).Graph.Node;
            Assert.Multiple(() =>
            {
                Assert.That(nodes.Count(node => node.OpType == "QLinearConv"), Is.EqualTo(convolutions));
                Assert.That(nodes.Count(node => node.OpType == "QLinearAdd"), Is.EqualTo(sums));
                Assert.That(nodes.Count(node => floats.Contains(node.OpType)), Is.Zero);
                Assert.That(nodes.Count(node => maxima.Contains(node.OpType)), Is.EqualTo(pools));
                Assert.That(nodes.Count(node => node.OpType == "Relu"), Is.Zero, "clamping to unsigned numbers is the rectification");
                Assert.That(nodes.Count(node => node.OpType == "DequantizeLinear"), Is.EqualTo(2), "one before the average of each branch");
            });
        }
    }

    [Test]
    public void weights_are_rounded_by_channel_to_seven_bits_and_biases_by_the_product_of_both_scales()
    {
        using var network = SmallNetworks.Create(4);
        var images = SmallNetworks.Images(20, 8, 8);
        var graph = ModelProto.Parser.ParseFrom(OnnxQuantisation.Of(SmallNetworks.Deployed(network), PixelType.UInt8, images).Bytes).Graph;
        var constants = graph.Initializer.ToDictionary(constant => constant.Name);
        var producers = graph.Node.ToDictionary(node => node.Output[0]);
        var stem = network.Fold(Branch.Auxiliary)!.Stem;
        var node = graph.Node.First(one => one.OpType == "Conv");
        var (input, weight, bias) = (producers[node.Input[0]], producers[node.Input[1]], producers[node.Input[2]]);
        var inputScale = Values<float>(constants[input.Input[1]])[0];
        var (weights, scales) = (Values<sbyte>(constants[weight.Input[0]]), Values<float>(constants[weight.Input[1]]));
        var (biases, biasScales) = (Values<int>(constants[bias.Input[0]]), Values<float>(constants[bias.Input[1]]));
        Assert.Multiple(() =>
        {
            Assert.That((input.OpType, input.Input[0]), Is.EqualTo(("DequantizeLinear", OnnxModel.Images)), "bytes are taken as they are");
            Assert.That(inputScale, Is.EqualTo(1f / 255));
            Assert.That(weights.Max(one => Math.Abs((int)one)), Is.EqualTo(64));
            for (var i = 0; i < weights.Length; i++)
            {
                var scale = scales[i / 27];
                Assert.That(weights[i] * (double)scale, Is.EqualTo(stem.Weight[i]).Within(0.5001 * scale));
            }

            for (var channel = 0; channel < scales.Length; channel++)
            {
                Assert.That(scales[channel], Is.EqualTo(stem.Weight.Skip(27 * channel).Take(27).Max(Math.Abs) / 64).Within(1e-6).Percent);
                Assert.That(biasScales[channel], Is.EqualTo(scales[channel] * inputScale));
                Assert.That(biases[channel] * (double)biasScales[channel], Is.EqualTo(stem.Bias[channel]).Within(0.5001 * biasScales[channel]));
            }

            Assert.That(Values<sbyte>(constants[weight.Input[2]]), Is.EqualTo(new sbyte[4]));
        });
    }

    [Test]
    public void a_channel_without_weights_and_a_bias_beyond_all_weights_keep_their_values()
    {
        using var network = SmallNetworks.Create(4);
        using (torch.no_grad())
        {
            network.state_dict()["conv1.weight"][0].zero_();
            network.state_dict()["bn1.auxiliary.weight"][1].fill_(1e-12);
            network.state_dict()["bn1.auxiliary.bias"][1].fill_(3);
            network.state_dict()["bn1.auxiliary.bias"][0].fill_(0);
            network.state_dict()["bn1.auxiliary.running_mean"][0].fill_(0);
        }

        var deployed = SmallNetworks.Deployed(network);
        var images = SmallNetworks.Images(40, 8, 8);
        var exact = OnnxQuantisation.Answers(OnnxModel.Create(deployed, PixelType.UInt8).ToByteArray(), PixelType.UInt8, images, out _);
        var found = OnnxQuantisation.Answers(OnnxQuantisation.Of(deployed, PixelType.UInt8, images).Bytes, PixelType.UInt8, images, out _);
        Assert.That(Relative(found.Logits, exact.Logits), Is.LessThan(0.1));
    }

    [TestCase("msp", 0.95)]
    [TestCase("energy", 0.3)]
    [TestCase("entropy", 0.95)]
    public void the_threshold_accepts_as_many_of_the_images_as_that_of_float32(string score, double share)
    {
        var images = OnnxVerification.Choose(TinyTraining.Data.Test, 200);
        using var network = WithStatisticsOf(images);
        var scores = SmallNetworks.Deployed(network, score).Score.Of(images, Predictions.Of(network, images));
        var deployed = SmallNetworks.Deployed(network, score, AcceptanceThreshold.Of(scores, share));
        var quantised = OnnxQuantisation.Of(deployed, PixelType.UInt8, images);
        var found = OnnxQuantisation.Answers(quantised.Bytes, PixelType.UInt8, images, out _);
        using var session = new OnnxSession(quantised.Bytes);
        Assert.Multiple(() =>
        {
            Assert.That(found.Accepted!.Count(accepted => accepted), Is.EqualTo(scores.Count(one => one <= deployed.Threshold!.Value)));
            Assert.That(quantised.Deployed.Threshold!.Value, Is.Not.EqualTo(deployed.Threshold!.Value), "the scores moved, and it with them");
            Assert.That(session.Metadata["precision"], Is.EqualTo("int8"));
            Assert.That(double.Parse(session.Metadata["threshold"]), Is.EqualTo(quantised.Deployed.Threshold.Value));
        });
    }

    [Test]
    public void a_threshold_that_accepts_none_of_the_images_and_a_model_without_one_stay_as_they_are()
    {
        using var network = SmallNetworks.Create(4);
        var images = SmallNetworks.Images(20, 8, 8);
        Assert.That(OnnxQuantisation.Of(SmallNetworks.Deployed(network, "msp", -1), PixelType.UInt8, images).Deployed.Threshold!.Value, Is.EqualTo(-1));
        Assert.That(OnnxQuantisation.Of(SmallNetworks.Deployed(network, "msp"), PixelType.UInt8, images).Deployed.Threshold, Is.Null);
        Assert.That(OnnxQuantisation.Of(SmallNetworks.Deployed(network, "msp", 0.5), PixelType.UInt8, images.Select([3])).ImageCount, Is.EqualTo(1), "one image is enough");
    }

    [Test]
    public void the_same_images_give_the_same_file()
    {
        using var network = SmallNetworks.Create(4);
        var deployed = SmallNetworks.Deployed(network, "msp", 0.5);
        var images = SmallNetworks.Images(600, 8, 8);
        var first = OnnxQuantisation.Of(deployed, PixelType.UInt8, images);
        Assert.That(OnnxQuantisation.Of(deployed, PixelType.UInt8, images).Bytes, Is.EqualTo(first.Bytes));
        Assert.That(first.ImageCount, Is.EqualTo(OnnxQuantisation.MostImages));
    }

    [Test]
    public void outputs_that_are_not_finite_are_refused()
    {
        using var network = SmallNetworks.Create(4);
        using (torch.no_grad())
        {
            network.state_dict()["linear.bias"].fill_(float.NaN);
        }

        Assert.That(
            () => OnnxQuantisation.Of(SmallNetworks.Deployed(network), PixelType.UInt8, SmallNetworks.Images(3, 8, 8)),
            Throws.TypeOf<InputException>().With.Message.Contains("not finite"));
    }

    [TestCase(1)]
    [TestCase(0.99)]
    [TestCase(0.9)]
    public void a_range_leaves_out_what_is_far_out_on_either_side_and_always_has_zero(double share)
    {
        var random = new Random(7);
        float[] values = [.. Enumerable.Range(0, 10_000).Select(_ => (float)(random.NextDouble() + random.NextDouble() - 0.7)), 40, -20];
        var histogram = new ActivationHistogram();
        float[][] parts = [values[..3000], values[3000..]];
        Array.ForEach(parts, part => histogram.Widen(part));
        Array.ForEach(parts, part => histogram.Count(part));
        var range = histogram.Within(share);
        var allowed = values.Length * (1 - share) / 2;
        Assert.Multiple(() =>
        {
            Assert.That(values.Count(value => value < range.Low), Is.LessThanOrEqualTo(allowed));
            Assert.That(values.Count(value => value > range.High), Is.LessThanOrEqualTo(allowed));
            Assert.That((range.Low, range.High), share == 1 ? Is.EqualTo((-20f, 40f)) : Is.Not.EqualTo((-20f, 40f)));
            Assert.That(range.Low <= 0 && range.High >= 0);
        });

        var rectified = new ActivationHistogram();
        rectified.Widen([0, 0, 3, 5]);
        rectified.Count([0, 0, 3, 5]);
        Assert.That(rectified.Within(1), Is.EqualTo(new ActivationRange(0, 5)));
        Assert.That(rectified.Within(1).Quantised(), Is.EqualTo((5f / 255, (byte)0)));
        Assert.That(new ActivationRange(-1, 4.1f).Quantised().Zero, Is.EqualTo(50));
        Assert.That(new ActivationHistogram().Within(1).Quantised(), Is.EqualTo((1f, (byte)0)), "a place that is zero everywhere");
    }

    private static float[] OfClass(OnnxOutputs outputs, int label) => [.. outputs.Logits.Where((_, i) => i % 5 == label)];

    // As training leaves it: with random statistics all pictures would look alike.
    private static DualBranchNetwork WithStatisticsOf(ImageSet images)
    {
        var network = SmallNetworks.Create(8);
        using var frozen = torch.no_grad();
        network.train();
        for (var pass = 0; pass < 50; pass++)
        {
            EvaluationBatches.ForEach(images, images.Count, torch.CPU, batch =>
            {
                network.forward(batch, Branch.Main);
                network.forward(batch, Branch.Auxiliary);
            });
        }

        network.eval();
        return network;
    }

    private static double Correlation(float[] one, float[] other)
    {
        var (mean, otherMean) = (one.Average(), other.Average());
        return one.Zip(other, (a, b) => (a - mean) * (b - otherMean)).Sum()
            / Math.Sqrt(one.Sum(a => (double)(a - mean) * (a - mean)) * other.Sum(b => (double)(b - otherMean) * (b - otherMean)));
    }

    private static double Relative(float[] actual, float[] exact)
    {
        var mean = exact.Average();
        return Math.Sqrt(actual.Zip(exact, (a, b) => Math.Pow(a - b, 2)).Sum() / exact.Sum(value => Math.Pow(value - mean, 2)));
    }

    private static T[] Values<T>(TensorProto tensor)
        where T : struct => MemoryMarshal.Cast<byte, T>(tensor.RawData.Span).ToArray();
}
