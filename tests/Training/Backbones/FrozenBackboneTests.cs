using Google.Protobuf;
using Pascl.Tests.Training.Deployment;
using Pascl.Training;
using Pascl.Training.Backbones;

namespace Pascl.Tests.Training.Backbones;

/// <summary>What is made of other people's ONNX files.</summary>
public sealed class FrozenBackboneTests
{
    private const double Rounding = 1e-6;

    private TemporaryFolder folder = null!;
    private float[] image = null!;

    private string Model => Path.Combine(folder.Path, "model.onnx");

    [SetUp]
    public void Prepare()
    {
        OnnxLibrary.Require();
        folder = new TemporaryFolder();
        var random = new Random(1);
        image = [.. Enumerable.Range(0, TinyBackbone.Size * TinyBackbone.Size * 3).Select(_ => random.Next(256) / 255f)];
    }

    [TearDown]
    public void Delete() => folder?.Dispose();

    [TestCase("batch", 3, 8, 8)]
    [TestCase(1, 3, 8, 8)]
    [TestCase("batch", 3, "height", "width")]
    [TestCase("batch", "channels", "height", "width")]
    public void features_are_those_of_the_model_whatever_its_dimensions_are_called(object batch, object channels, object height, object width)
    {
        TinyBackbone.Quarters(Model, 17, batch, channels, height, width);
        var settings = TinyBackbone.Settings(Model) with { ImageSize = TinyBackbone.Size };
        Assert.That(Features(settings), Is.EqualTo(TinyBackbone.Expected(image)).Within(Rounding));
    }

    [Test]
    public void channels_may_be_last()
    {
        TinyBackbone.ChannelsLast(Model);
        Assert.That(Features(TinyBackbone.Settings(Model)), Is.EqualTo(TinyBackbone.Expected(image)).Within(Rounding));
    }

    [Test]
    public void pixels_are_brought_into_range_order_and_scale_of_the_model()
    {
        TinyBackbone.Quarters(Model);
        var plain = TinyBackbone.Expected(image);
        double[] bgrMean = [103, 116, 123], imageNetMean = [0.485, 0.456, 0.406], imageNetDeviation = [0.229, 0.224, 0.225];
        using (Assert.EnterMultipleScope())
        {
            Assert.That(
                Features(new BackboneSettings { Path = Model }),
                Is.EqualTo(plain.Select((value, i) => (value - imageNetMean[i / 4]) / imageNetDeviation[i / 4])).Within(2e-6));
            Assert.That(
                Features(new BackboneSettings { Path = Model, Input = BackboneInput.Half, Range = PixelRange.Bytes, Channels = ChannelOrder.Bgr }),
                Is.EqualTo(plain.Select((_, i) => (plain[((2 - (i / 4)) * 4) + (i % 4)] - 0.5) / 0.5)).Within(2e-6));
            Assert.That(
                Features(TinyBackbone.Settings(Model) with { Range = PixelRange.Bytes, Channels = ChannelOrder.Bgr, Mean = [103, 116, 123], StandardDeviation = [1, 2, 4] }),
                Is.EqualTo(plain.Select((_, i) => ((255 * plain[((2 - (i / 4)) * 4) + (i % 4)]) - bgrMean[i / 4]) / (1 << (i / 4)))).Within(1e-4));
        }
    }

    [Test]
    public void of_tokens_the_first_is_taken_and_of_a_map_the_mean_and_both_is_said()
    {
        using (Assert.EnterMultipleScope())
        {
            var quarters = TinyBackbone.Expected(image);
            Assert.That(Features(TinyBackbone.Settings(TinyBackbone.Tokens(Model))), Is.EqualTo((double[])[quarters[0], quarters[4], quarters[8]]).Within(Rounding));
            Assert.That(Description(), Is.EqualTo("3 features, the class token (the first) of the output tokens"));
            Assert.That(
                Features(TinyBackbone.Settings(TinyBackbone.Map(Model))),
                Is.EqualTo(Enumerable.Range(0, 3).Select(channel => quarters[(4 * channel)..(4 * (channel + 1))].Average())).Within(Rounding));
            Assert.That(Description(), Is.EqualTo("3 features, the mean over the image of the output map"));
        }

        string Description()
        {
            using var backbone = FrozenBackbone.Open(TinyBackbone.Settings(Model));
            return backbone.Graph.Description;
        }
    }

    [Test]
    public void of_two_outputs_of_features_one_must_be_named()
    {
        TinyBackbone.TwoOutputs(Model);
        Assert.That(
            () => FrozenBackbone.Open(TinyBackbone.Settings(Model)),
            Throws.TypeOf<InputException>().With.Message.EqualTo(
                $"The backbone {Model} has the outputs features Float (1, 12), logits Float (1, 12); name the one with the features with --backbone-output."));
        Assert.That(
            Features(TinyBackbone.Settings(Model) with { Output = "logits" }), Is.EqualTo(TinyBackbone.Expected(image).Select(value => -value)).Within(Rounding));
        Assert.That(
            () => FrozenBackbone.Open(TinyBackbone.Settings(Model) with { Output = "pooled" }),
            Throws.TypeOf<InputException>().With.Message.EqualTo(
                $"The backbone {Model} has no output pooled; it has features, logits. Choose one with --backbone-output."));
    }

    [Test]
    public void a_model_that_takes_something_else_is_refused_with_what_it_takes()
    {
        using (Assert.EnterMultipleScope())
        {
            Refused(TinyBackbone.Quarters(Model, 17, 1, 1, 8, 8), "takes pixels, (1, 1, 8, 8); expected one input of float32, (batch, 3, height, width)");
            Refused(TinyBackbone.Quarters(Model, 17, 16, 3, 8, 8), "takes pixels, (16, 3, 8, 8);");
            Refused(TinyBackbone.Quarters(Model, 17, 1, 3, 8, 16), "takes pixels, (1, 3, 8, 16);");
            Refused(TinyBackbone.ImageAndText(Model), "takes 2 inputs (pixels (any, 3, 8, 8), text (any, 77));");
            Refused(TinyBackbone.Quarters(Model), "takes images of 8 x 8 pixels alone, but 16 are asked for; leave --image-size out", imageSize: 16);
        }
    }

    [Test]
    public void a_file_that_is_no_model_is_refused()
    {
        using (Assert.EnterMultipleScope())
        {
            Refused(Path.Combine(folder.Path, "missing.onnx"), "missing.onnx cannot be read:");
            Refused(folder.Write("text.onnx", "This is no model, and it never was one."), "text.onnx is no ONNX model;");
            Refused(folder.Write("empty.onnx", ""), "empty.onnx is no ONNX model;");
            var model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(TinyBackbone.Quarters(Model)));
            model.Graph.Node[0].OpType = "Nonsense";
            Refused(folder.Write("foreign.onnx", model.ToByteArray()), "ONNX Runtime cannot load the backbone");
        }
    }

    [Test]
    public void another_file_in_the_place_of_the_first_is_refused_with_both_hashes()
    {
        using var first = FrozenBackbone.Open(TinyBackbone.Settings(TinyBackbone.Quarters(Model)));
        TinyBackbone.Scaled(Model, 2);
        using var other = FrozenBackbone.Open(TinyBackbone.Settings(Model));
        Assert.That(
            () => FrozenBackbone.Open(first.Settings),
            Throws.TypeOf<InputException>().With.Message.Contains($"its SHA-256 is {other.Settings.Sha256}, but that of the run's is {first.Settings.Sha256}."));
    }

    [Test]
    public void weights_in_a_file_of_their_own_are_read_and_belong_to_the_hash()
    {
        var model = ModelProto.Parser.ParseFrom(File.ReadAllBytes(TinyBackbone.Scaled(Model, 2)));
        var factor = model.Graph.Initializer.Single();
        factor.RawData = ByteString.Empty;
        factor.DataLocation = 1;
        factor.Dims.Add(256);
        factor.ExternalData.Add(new StringStringEntryProto { Key = "location", Value = "model.onnx.data" });
        model.Graph.Node.Single(node => node.OpType == "Mul").OpType = "Sub";
        factor.Dims[0] = TinyBackbone.FeatureCount;
        File.WriteAllBytes(Model, model.ToByteArray());
        var hashes = new List<string?>();
        foreach (var value in (float[])[1, 3])
        {
            var weights = new float[TinyBackbone.FeatureCount];
            Array.Fill(weights, value);
            folder.Write("model.onnx.data", System.Runtime.InteropServices.MemoryMarshal.AsBytes<float>(weights));
            Assert.That(Features(TinyBackbone.Settings(Model)), Is.EqualTo(TinyBackbone.Expected(image).Select(mean => mean - value)).Within(Rounding));
            using var backbone = FrozenBackbone.Open(TinyBackbone.Settings(Model));
            hashes.Add(backbone.Settings.Sha256);
        }

        Assert.That(hashes, Is.Unique);
        File.Delete(Model + ".data");
        Refused(Model, $"which the backbone {Model} keeps its weights in, cannot be read");
    }

    private static void Refused(string path, string words, int? imageSize = null) => Assert.That(
        () => FrozenBackbone.Open(TinyBackbone.Settings(path) with { ImageSize = imageSize }), Throws.TypeOf<InputException>().With.Message.Contains(words));

    private double[] Features(BackboneSettings settings)
    {
        using var backbone = FrozenBackbone.Open(settings);
        var features = new float[backbone.FeatureCount];
        Assert.That(backbone.Compute(image, features));
        return Array.ConvertAll(features, value => (double)value);
    }
}
