using CsCheck;
using Pascl.Kernels;
using Pascl.Kernels.Device;
using Pascl.Tests.Processes;

namespace Pascl.Tests.Kernels;

[SimulatesGpu]
[TestFixtureSource(typeof(Devices), nameof(Devices.Names))]
public sealed class DeviceAugmentationTests(string name)
{
    private const int Images = 6;

    private static readonly AugmentationDraw Draw = new(Seed: 77, Epoch: 3, Stream: 1);

    private KernelDevice Device => Devices.Get(name);

    // A GPU joins product and sum of a blend, which may round to the next byte.
    private float Allowed => Device.IsSimulator ? 0 : 1.001f / 255;

    [TestCase(8, 8, true)]
    [TestCase(5, 7, true)]
    [TestCase(5, 7, false)]
    [TestCase(1, 1, false)]
    public void views_equal_those_of_the_cpu(int height, int width, bool channelsLast)
    {
        int[] chosen = [4, 0, 0, 5, 2, 1, 3];
        var bytes = RandomBytes(height, width);
        Assert.That(OnDevice(bytes, height, width, chosen, AugmentationSettings.Cifar, channelsLast),
            Is.EqualTo(OnCpu(bytes, height, width, chosen, AugmentationSettings.Cifar, channelsLast)).Within(Allowed));
    }

    [Test]
    public void without_changes_a_view_is_the_image()
    {
        var bytes = RandomBytes(3, 4);
        Assert.That(OnDevice(bytes, 3, 4, [1], AugmentationSettings.None, channelsLast: true), Is.EqualTo(bytes[36..72].Select(value => value / 255f)));
    }

    [Test]
    public void any_settings_and_shapes_equal_the_cpu() =>
        Gen.Select(Gen.Int[1, 6], Gen.Int[1, 6], Gen.Float[0, 0.5f], Gen.Float[0, 1], Gen.Bool).Sample(
            (height, width, strength, probability, channelsLast) =>
            {
                var settings = new AugmentationSettings
                {
                    Padding = strength,
                    FlipProbability = probability,
                    JitterProbability = probability,
                    GreyscaleProbability = probability / 2,
                    Brightness = strength,
                    Contrast = strength,
                    Saturation = strength,
                    Hue = strength,
                };
                int[] chosen = [3, 1];
                var bytes = RandomBytes(height, width);
                Assert.That(OnDevice(bytes, height, width, chosen, settings, channelsLast),
                    Is.EqualTo(OnCpu(bytes, height, width, chosen, settings, channelsLast)).Within(Allowed));
            },
            iter: 60,
            threads: 1);

    [Test]
    public void bfloat16_views_are_the_rounded_views()
    {
        var bytes = RandomBytes(4, 4);
        using var images = Device.Allocate<byte>(bytes);
        using var chosen = Device.Allocate<int>([2]);
        using var views = new GuardedBuffer<BFloat16>(Device, 48);
        using var augmentation = new DeviceAugmentation(Device, AugmentationSettings.None);
        augmentation.Apply(new DeviceImages(images.Vector, 4, 4), chosen.Vector, Draw, channelsLast: true, views.Vector);
        Assert.That(views.Read(), Is.EqualTo(bytes[96..144].Select(value => (BFloat16)(value / 255f))));
    }

    [Test]
    public void sizes_that_do_not_fit_are_named()
    {
        using var images = Device.Allocate<byte>(48);
        using var chosen = Device.Allocate<int>([0, 0]);
        using var views = Device.Allocate<float>(48);
        using var augmentation = new DeviceAugmentation(Device, AugmentationSettings.None);
        using (Assert.EnterMultipleScope())
        {
            Assert.That(() => new DeviceImages(images.Vector, 5, 4), Throws.ArgumentException.With.Message.StartsWith("48 bytes are not whole images of 5 x 4 x 3."));
            Assert.That(
                () => augmentation.Apply(new DeviceImages(images.Vector, 4, 4), chosen.Vector, Draw, channelsLast: true, views.Vector),
                Throws.ArgumentException.With.Message.StartsWith("views holds 48 numbers, but 2 views of 4 x 4 x 3 need 96."));
        }
    }

    private static byte[] RandomBytes(int height, int width)
    {
        var bytes = new byte[Images * height * width * 3];
        new Random(4).NextBytes(bytes);
        return bytes;
    }

    private float[] OnDevice(byte[] bytes, int height, int width, int[] chosen, AugmentationSettings settings, bool channelsLast)
    {
        using var images = Device.Allocate<byte>(bytes);
        using var numbers = Device.Allocate<int>(chosen);
        using var views = new GuardedBuffer<float>(Device, chosen.Length * height * width * 3);
        using var augmentation = new DeviceAugmentation(Device, settings);
        augmentation.Apply(new DeviceImages(images.Vector, height, width), numbers.Vector, Draw, channelsLast, views.Vector);
        return views.Read();
    }

    private static float[] OnCpu(byte[] bytes, int height, int width, int[] chosen, AugmentationSettings settings, bool channelsLast)
    {
        var size = height * width * 3;
        var (view, scratch) = (new float[size], new byte[size]);
        return [.. chosen.SelectMany(image =>
        {
            var parameters = AugmentationParameters.Draw(settings, height, width, Draw.Seed, Draw.Epoch, image, Draw.Stream);
            Augmentation.Apply(bytes.AsSpan(image * size, size), height, width, parameters, view, scratch);
            return channelsLast
                ? view.ToArray()
                : Enumerable.Range(0, size).Select(i => view[(i % (height * width) * 3) + (i / (height * width))]).ToArray();
        })];
    }
}
