using Google.Protobuf;
using Microsoft.ML.OnnxRuntime;
using Pascl.Training.Backbones;
using Pascl.Training.Data;
using Pascl.Training.Data.Formats;
using Pascl.Training.Deployment;
using Pascl.Training.Deployment.Onnx;
using DataType = Pascl.Training.Backbones.TensorProto.Types.DataType;

namespace Pascl.Tests.Training.Deployment;

/// <summary>Models that resize and crop pictures themselves.</summary>
public sealed class OnnxPreprocessingTests
{
    private static readonly (int Width, int Height)[] sizes =
        [(97, 61), (70, 151), (32, 32), (33, 32), (9, 13), (1, 1), (1, 40), (64, 64), (301, 200), (12, 1000), (777, 640)];

    [OneTimeSetUp]
    public void RequireLibrary() => OnnxLibrary.Require();

    [TestCase(Interpolation.Cubic, 32, 32)]
    [TestCase(Interpolation.Cubic, 20, 20)]
    [TestCase(Interpolation.PillowBilinear, 32, 32)]
    [TestCase(Interpolation.PillowBilinear, 28, 32)]
    [TestCase(Interpolation.PillowBilinear, 224, 256)]
    [TestCase(Interpolation.PillowBicubic, 28, 32)]
    [TestCase(Interpolation.PillowBicubic, 33, 47)]
    public void the_squares_are_those_of_the_decoder_in_every_bit(Interpolation interpolation, int size, int side)
    {
        var geometry = new ImageGeometry(interpolation, side / (double)size);
        Assert.That(geometry.ResizeSide(size), Is.EqualTo(side));
        using var session = Session(size, geometry);
        using var decoder = new ImageDecoder();
        foreach (var (width, height) in sizes)
        {
            var picture = Noise(width, height);
            var expected = new byte[size * size * PixelBlock.Channels];
            decoder.Fit(picture, width, height, expected, size, geometry);
            Assert.That(Squares(session, picture, [1, height, width, 3]), Is.EqualTo(Planes(expected)), $"{width} x {height}");
        }
    }

    [Test]
    public void pictures_of_one_size_in_a_batch_are_squares_of_their_own([Values] Interpolation interpolation)
    {
        using var session = Session(20, new ImageGeometry(interpolation, 1));
        byte[] first = Noise(31, 47), second = [.. first.Reverse()];
        Assert.That(
            Squares(session, [.. first, .. second], [2, 47, 31, 3]),
            Is.EqualTo((byte[])[.. Squares(session, first, [1, 47, 31, 3]), .. Squares(session, second, [1, 47, 31, 3])]));
        Assert.That(Squares(session, [], [0, 47, 31, 3]), Is.Empty);
    }

    // The graph of a frozen backbone decides the version of all operators.
    [Test]
    public void the_operators_mean_the_same_in_every_version_that_a_backbone_may_have([Values(13, 15, 18, 21)] int operatorSet)
    {
        var geometry = new ImageGeometry(Interpolation.PillowBicubic, 1);
        using var session = Session(20, geometry, operatorSet);
        using var decoder = new ImageDecoder();
        var expected = new byte[20 * 20 * PixelBlock.Channels];
        decoder.Fit(Noise(50, 41), 50, 41, expected, 20, geometry);
        Assert.That(Squares(session, Noise(50, 41), [1, 41, 50, 3]), Is.EqualTo(Planes(expected)));
    }

    [TestCase("resnet18", Interpolation.Cubic, 1)]
    [TestCase("resnet18-imagenet", Interpolation.PillowBilinear, 256.0 / 224)]
    public void a_model_agrees_with_torch_on_pictures_of_any_size(string kind, Interpolation interpolation, double ratio)
    {
        using var network = SmallNetworks.Create(8, network: kind);
        var deployed = SmallNetworks.Deployed(network, threshold: 0.5) with { Geometry = new ImageGeometry(interpolation, ratio) };
        var agreement = OnnxVerification.Compare(
            OnnxModel.Create(deployed, PixelType.Picture).ToByteArray(), deployed, PixelType.Picture, SmallNetworks.Images(3, 41, 30));
        Assert.That(agreement.Holds, $"{agreement}");
        Assert.That(agreement.Images, Is.EqualTo(3 + 5));
    }

    [Test]
    public void a_model_that_resizes_otherwise_does_not_hold()
    {
        using var network = SmallNetworks.Create(4);
        var deployed = SmallNetworks.Deployed(network);
        var model = OnnxModel.Create(deployed with { Geometry = new ImageGeometry(Interpolation.PillowBilinear, 1) }, PixelType.Picture).ToByteArray();
        var agreement = OnnxVerification.Compare(model, deployed, PixelType.Picture, SmallNetworks.Images(3, 32, 32));
        Assert.That(agreement.Holds, Is.False, "bilinear instead of cubic");
    }

    [Test]
    public void a_model_in_eight_bits_gives_of_pictures_what_it_gives_of_their_squares()
    {
        using var network = SmallNetworks.Create(8);
        var deployed = SmallNetworks.Deployed(network, threshold: 0.5) with { Geometry = new ImageGeometry(Interpolation.PillowBilinear, 256.0 / 224) };
        var quantised = OnnxQuantisation.Of(deployed, PixelType.Picture, SmallNetworks.Images(20, 32, 32));
        var pictures = SmallNetworks.Images(3, 61, 97);
        var squares = new PixelBlock(3, 32, 32);
        using var decoder = new ImageDecoder();
        for (var i = 0; i < 3; i++)
        {
            decoder.Fit(pictures.Pixels(i), 97, 61, squares.Writable(i), 32, deployed.Geometry);
        }

        using var onPictures = new OnnxSession(quantised.Bytes);
        using var onSquares = new OnnxSession(quantised.OnSquares);
        var (found, expected) = (onPictures.Run(pictures, PixelType.Picture), onSquares.Run(new ImageSet("squares", squares, new int[3], []), PixelType.UInt8));
        Assert.That((found.Logits, found.Scores), Is.EqualTo((expected.Logits, expected.Scores)), "to the last bit");
        Assert.That((onPictures.Metadata["precision"], onPictures.Metadata["preprocess"]), Is.EqualTo(("int8", "in-graph")));
    }

    [Test]
    public void the_model_says_that_it_takes_pictures()
    {
        using var network = SmallNetworks.Create(4);
        using var session = new OnnxSession(OnnxModel.Create(SmallNetworks.Deployed(network), PixelType.Picture).ToByteArray());
        using var other = new OnnxSession(OnnxModel.Create(SmallNetworks.Deployed(network), PixelType.Float).ToByteArray());
        Assert.That((session.Metadata["preprocess"], other.Metadata["preprocess"]), Is.EqualTo(("in-graph", "outside")));
    }

    [Explicit("It measures: dotnet test -c Release --filter FullyQualifiedName~what_preparing_costs")]
    [Test]
    public void what_preparing_costs_inside_and_outside()
    {
        foreach (var (name, size, geometry) in ((string, int, ImageGeometry)[])[("cubic to 32", 32, ImageGeometry.SmallImages), ("bilinear to 224", 224, ImageGeometry.Photographs)])
        {
            using var session = Session(size, geometry);
            using var decoder = new ImageDecoder();
            foreach (var side in (int[])[32, 500, 4000])
            {
                var picture = Noise(side, side);
                var square = new byte[size * size * PixelBlock.Channels];
                var inside = Fastest(() => Squares(session, picture, [1, side, side, 3]));
                var outside = Fastest(() => decoder.Fit(picture, side, side, square, size, geometry));
                Console.WriteLine(FormattableString.Invariant($"{name}, {side} x {side} pixels: in the graph {inside:0.00} ms, outside {outside:0.00} ms"));
            }
        }

        static double Fastest(Action action) => Enumerable.Range(0, 7).Min(_ =>
        {
            var start = System.Diagnostics.Stopwatch.GetTimestamp();
            action();
            return System.Diagnostics.Stopwatch.GetElapsedTime(start).TotalMilliseconds;
        });
    }

    private static InferenceSession Session(int size, ImageGeometry geometry, int operatorSet = OnnxModel.OperatorSet)
    {
        var graph = new OnnxGraph(operatorSet);
        graph.Input("pictures", DataType.Uint8, "", "batch", "height", "width", 3);
        graph.Output(new OnnxPreprocessing(graph, size, geometry).Add("pictures"), "squares", DataType.Uint8, "", "batch", 3, size, size);
        return OnnxRuntime.Load(() => new InferenceSession(
            new ModelProto { IrVersion = 8, Graph = graph.Message, OpsetImport = { new OperatorSetIdProto { Version = operatorSet } } }.ToByteArray()));
    }

    private static byte[] Squares(InferenceSession session, byte[] pictures, long[] shape)
    {
        using var given = OrtValue.CreateTensorValueFromMemory(pictures, shape);
        using var options = new RunOptions();
        using var results = session.Run(options, ["pictures"], [given], ["squares"]);
        return results[0].GetTensorDataAsSpan<byte>().ToArray();
    }

    private static byte[] Noise(int width, int height)
    {
        var pixels = new byte[width * height * PixelBlock.Channels];
        new Random(width).NextBytes(pixels);
        return pixels;
    }

    // (S, S, 3) -> (3, S, S)
    private static byte[] Planes(byte[] square) => [.. Enumerable.Range(0, 3).SelectMany(colour => square.Where((_, i) => i % 3 == colour))];
}
