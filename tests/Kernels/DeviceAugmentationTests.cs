using CsCheck;
using ILGPU;
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

    [TestCase(8, 8, true)]
    [TestCase(5, 7, true)]
    [TestCase(5, 7, false)]
    [TestCase(1, 1, false)]
    public void views_equal_those_of_the_cpu(int height, int width, bool channelsLast)
    {
        int[] chosen = [4, 0, 0, 5, 2, 1, 3];
        var bytes = RandomBytes(height, width);
        Assert.That(OnDevice(bytes, height, width, chosen, AugmentationSettings.Cifar, channelsLast),
            Is.EqualTo(OnCpu(bytes, height, width, chosen, AugmentationSettings.Cifar, channelsLast)));
    }

    // No tolerance would be right for all four: a last bit of a factor or a blend moves brightness by one byte, and a hue by up to six, because a step of hue is
    // six of a colour; one byte of the mean luminance moves every pixel of a contrast, and one of saturation or hue what the operations after it do. So products
    // are rounded before they are added to (mul.rn), quotients are correctly rounded (div.rn), all else is whole numbers, and the bytes must be the same.
    [TestCase(0.9f, 0, 0, 0)]
    [TestCase(0, 0.9f, 0, 0)]
    [TestCase(0, 0, 0.9f, 0)]
    [TestCase(0, 0, 0, 0.5f)]
    [TestCase(0.7f, 0.7f, 0.7f, 0.3f)]
    public void each_operation_gives_the_cpus_bytes(float brightness, float contrast, float saturation, float hue)
    {
        var settings = AugmentationSettings.None with
        {
            JitterProbability = 1,
            Brightness = brightness,
            Contrast = contrast,
            Saturation = saturation,
            Hue = hue,
        };
        int[] chosen = [0, 1, 2, 3, 4, 5];
        var bytes = RandomBytes(9, 8);
        var onCpu = OnCpu(bytes, 9, 8, chosen, settings, channelsLast: true);
        Assert.That(onCpu, Is.Not.EqualTo(bytes.Select(value => value / 255f)), "the operation does something");
        Assert.That(OnDevice(bytes, 9, 8, chosen, settings, channelsLast: true), Is.EqualTo(onCpu));
    }

    // A factor in other bits would change few bytes, and none in most tests.
    [Test]
    public void what_is_drawn_is_what_the_cpu_draws_in_every_bit()
    {
        var settings = AugmentationSettings.None with { Brightness = 0.4f, Contrast = 0.3f, Saturation = 0.7f, Hue = 0.1f, JitterProbability = 0.8f };
        using var given = Device.Allocate<AugmentationSettings>([settings]);
        using var drawn = new GuardedBuffer<float>(Device, 4 * 128);
        Device.Load(Draws).Launch(new LaunchShape(1, 128), given.Vector, drawn.Vector);
        Assert.That(drawn.Read(), Is.EqualTo(Enumerable.Range(0, 128).SelectMany(image =>
        {
            var parameters = AugmentationParameters.Draw(settings, 32, 32, Draw.Seed, Draw.Epoch, image, Draw.Stream);
            return new[] { parameters.Brightness, parameters.Contrast, parameters.Saturation, parameters.HueShift };
        })));
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
                    Is.EqualTo(OnCpu(bytes, height, width, chosen, settings, channelsLast)));
            },
            iter: Device.IsSimulator ? 12 : 60,
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

    [Kernel(128)]
    private static void Draws(ArrayView<AugmentationSettings> settings, ArrayView<float> drawn)
    {
        var parameters = AugmentationParameters.Draw(settings[0], 32, 32, 77, 3, Group.IdxX, 1);
        drawn[4 * Group.IdxX] = parameters.Brightness;
        drawn[(4 * Group.IdxX) + 1] = parameters.Contrast;
        drawn[(4 * Group.IdxX) + 2] = parameters.Saturation;
        drawn[(4 * Group.IdxX) + 3] = parameters.HueShift;
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
