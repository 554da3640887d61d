using ILGPU;
using Pascl.Kernels.Device;

namespace Pascl.Tests.Kernels.Device;

/// <summary>What a CUDA device asks of the driver and what it says when the driver refuses, against a driver that records.</summary>
public sealed class CudaDeviceTests
{
    private const string OtherCurrent = "current d0";
    private const string PrimaryCurrent = "current c0";

    private CudaDriver driver = null!;

    [SetUp]
    public void SetUp() => driver = RecordingCudaDriver.Create();

    [Test]
    public void a_launch_is_one_call_in_the_primary_context_and_leaves_the_thread_as_it_was()
    {
        using var device = KernelDevice.Open("cuda:1", driver);
        using var buffer = device.Allocate<float>(100);
        var kernel = device.Load(Affine);
        RecordingCudaDriver.Calls.Clear();
        RecordingCudaDriver.ParameterCount = 5;
        kernel.Launch(new LaunchShape(3, 2, 64), buffer.Vector, buffer.Vector.Slice(10, 90), -7, 2.5f, 1L << 40);
        using (Assert.EnterMultipleScope())
        {
            string[] calls = [PrimaryCurrent, "launch c0 60 (3, 2, 1) (64, 1, 1) 0 stream 0", OtherCurrent];
            Assert.That(RecordingCudaDriver.Calls, Is.EqualTo(calls));
            Assert.That(device.Index, Is.EqualTo(1));
            Assert.That(RecordingCudaDriver.Parameters[0], Is.EqualTo(((long)RecordingCudaDriver.Memory, 100L)), "a view is an address and a length");
            Assert.That(RecordingCudaDriver.Parameters[1], Is.EqualTo(((long)RecordingCudaDriver.Memory + 40, 90L)));
            Assert.That((int)RecordingCudaDriver.Parameters[2].First, Is.EqualTo(-7));
            Assert.That(BitConverter.Int32BitsToSingle((int)RecordingCudaDriver.Parameters[3].First), Is.EqualTo(2.5f));
            Assert.That(RecordingCudaDriver.Parameters[4].First, Is.EqualTo(1L << 40));
        }
    }

    [Test]
    public void a_thread_that_already_has_the_primary_context_keeps_it()
    {
        using var device = KernelDevice.Open("cuda:0", driver);
        using var buffer = device.Allocate<float>(4);
        var kernel = device.Load(Affine);
        RecordingCudaDriver.Current = RecordingCudaDriver.PrimaryContext;
        RecordingCudaDriver.Calls.Clear();
        kernel.Launch(new LaunchShape(1, 32), buffer.Vector, buffer.Vector, 1, 1f, 1L);
        Assert.That(RecordingCudaDriver.Calls, Has.Count.EqualTo(1).And.All.StartsWith("launch c0"));
    }

    [Test]
    public void an_upload_goes_through_pinned_memory_and_waits_for_nothing_until_the_host_is_far_ahead()
    {
        const int Slots = 32;
        using var device = KernelDevice.Open("cuda:0", driver);
        using var buffer = device.AllocateUpload<byte>(2);
        RecordingCudaDriver.Current = RecordingCudaDriver.PrimaryContext;
        RecordingCudaDriver.Calls.Clear();
        buffer.Write([1, 2]);
        buffer.Write([3, 4]);
        using (Assert.EnterMultipleScope())
        {
            string[] calls = ["enqueue 7000 [1 2] stream 0", "create event 0", "record 1 on 0", "enqueue 7000 [3 4] stream 0", "create event 0", "record 2 on 0"];
            Assert.That(RecordingCudaDriver.Calls, Is.EqualTo(calls));
            for (var write = 2; write < Slots; write++)
            {
                buffer.Write([5, 6]);
            }

            Assert.That(device.HostWaits, Is.Zero);
            RecordingCudaDriver.Calls.Clear();
            buffer.Write([7, 8]);
            Assert.That(RecordingCudaDriver.Calls, Does.Contain("wait for 1"));
            Assert.That(device.HostWaits, Is.EqualTo(1));
            RecordingCudaDriver.PassedEvents = 2;
            buffer.Write([9, 10]);
            Assert.That(device.HostWaits, Is.EqualTo(1), "the second has passed");
            Assert.That(() => buffer.Write([1]), Throws.ArgumentException.With.Message.StartsWith("There are 1 values for a buffer of 2"));
        }
    }

    [Test]
    public void a_launch_allocates_nothing()
    {
        using var device = KernelDevice.Open("cuda:0", driver);
        using var buffer = device.Allocate<float>(4);
        var kernel = device.Load(Affine);
        var vector = buffer.Vector;
        RecordingCudaDriver.IsQuiet = true;
        kernel.Launch(new LaunchShape(1, 32), vector, vector, 0, 1f, 1L);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
        {
            kernel.Launch(new LaunchShape(1, 32), vector, vector, i, 1f, 1L);
        }

        Assert.That(GC.GetAllocatedBytesForCurrentThread() - before, Is.Zero);
        Assert.That(RecordingCudaDriver.QuietLaunches, Is.EqualTo(1001));
    }

    [Test]
    public void a_launch_that_is_observed_lies_between_two_events_of_the_default_stream()
    {
        using var device = KernelDevice.Open("cuda:0", driver);
        using var buffer = device.Allocate<float>(100);
        var kernel = device.Load(Affine);
        var launches = new List<KernelLaunch>();
        device.LaunchObserver = launches.Add;
        RecordingCudaDriver.Calls.Clear();
        kernel.Launch(new LaunchShape(1, 32), buffer.Vector, buffer.Vector.Slice(10, 90), 0, 1f, 1L);
        var time = launches.Single().End.Since(launches[0].Begin);
        launches[0].Dispose();
        using (Assert.EnterMultipleScope())
        {
            string[] calls =
            [
                "create event 0", "record 1 on 0", "launch c0 60 (1, 1, 1) (32, 1, 1) 0 stream 0", "create event 0", "record 2 on 0", "wait for 2", "elapsed 1 2",
                "destroy 1", "destroy 2",
            ];
            Assert.That(RecordingCudaDriver.Calls.Where(call => call is not (PrimaryCurrent or OtherCurrent)), Is.EqualTo(calls));
            Assert.That(time, Is.EqualTo(TimeSpan.FromMilliseconds(0.25)));
            Assert.That(launches[0].ArrayBytes, Is.EqualTo(190 * sizeof(float)));
            Assert.That(device.CacheBytes, Is.EqualTo(50 << 20));
        }
    }

    [Test]
    public void a_kernel_is_compiled_once_and_unloaded_with_its_device()
    {
        using (var device = KernelDevice.Open("cuda:0", driver))
        {
            var first = device.Load(Affine);
            Assert.That(device.Load(Affine), Is.SameAs(first));
            Assert.That(RecordingCudaDriver.ModuleText, Does.Contain(".target sm_80").And.Contain(".entry Kernel_Affine"));
            Assert.That(RecordingCudaDriver.Calls, Has.Exactly(1).EqualTo("load c0").And.Exactly(1).EqualTo("function 50 Kernel_Affine"));
        }

        Assert.That(RecordingCudaDriver.Calls, Has.Exactly(1).EqualTo("unload 50").And.Exactly(1).EqualTo("release 40"));
    }

    [Test]
    public void the_driver_says_how_many_blocks_run_at_once()
    {
        using var device = KernelDevice.Open("cuda:0", driver);
        var kernel = device.Load(Affine);
        RecordingCudaDriver.Calls.Clear();
        using (Assert.EnterMultipleScope())
        {
            Assert.That(kernel.BlocksAtOnce(64, sharedBytes: 70_000), Is.EqualTo(5));
            string[] calls = [PrimaryCurrent, "attribute 60 8 70000", "occupancy of 96 with 64 threads and 70000 bytes", OtherCurrent];
            Assert.That(RecordingCudaDriver.Calls, Is.EqualTo(calls));
        }
    }

    [Test]
    public void more_shared_memory_than_usual_is_asked_for_once()
    {
        using var device = KernelDevice.Open("cuda:0", driver);
        using var buffer = device.Allocate<float>(4);
        for (var i = 0; i < 3; i++)
        {
            device.Load(Affine).Launch(new LaunchShape(1, 1, 32, SharedBytes: 70_000), buffer.Vector, buffer.Vector, 1, 1f, 1L);
        }

        Assert.That(RecordingCudaDriver.Calls, Has.Exactly(1).EqualTo("attribute 60 8 70000").And.Exactly(3).Contains(" 70000 stream 0"));
    }

    [Test]
    public void memory_is_allocated_copied_and_freed_in_the_primary_context()
    {
        using var device = KernelDevice.Open("cuda:0", driver);
        RecordingCudaDriver.Calls.Clear();
        using (var buffer = device.Allocate<float>([1, 2, 3]))
        {
            buffer.ToArray();
        }

        string[] calls =
        [
            PrimaryCurrent, "allocate 12", OtherCurrent, PrimaryCurrent, "to-device 7000 12", OtherCurrent,
            PrimaryCurrent, "to-host 7000 12", OtherCurrent, PrimaryCurrent, "free 7000", OtherCurrent,
        ];
        Assert.That(RecordingCudaDriver.Calls, Is.EqualTo(calls));
    }

    [Test]
    public void free_memory_is_that_of_the_device()
    {
        using var device = KernelDevice.Open("cuda:0", driver);
        Assert.That(device.FreeMemory(), Is.EqualTo(1000));
        Assert.That(RecordingCudaDriver.Calls, Has.Exactly(1).EqualTo("memory c0"));
    }

    [Test]
    public void auto_takes_the_first_gpu_and_without_one_the_simulator()
    {
        using var gpu = KernelDevice.Open("auto", driver);
        Assert.That((gpu.Name, gpu.IsSimulator, gpu.HasTensorCores, gpu.Multiprocessors), Is.EqualTo(("cuda:0 (Recorder)", false, true, 132)));
        RecordingCudaDriver.DeviceCount = 0;
        using var withoutGpu = KernelDevice.Open("auto", driver);
        using var withoutDriver = KernelDevice.Open("auto", driver: null);
        Assert.That((withoutGpu.Name, withoutDriver.Name), Is.EqualTo(("simulator", "simulator")));
    }

    [Test]
    public void a_device_that_cannot_be_used_says_why()
    {
        using (Assert.EnterMultipleScope())
        {
            Assert.That(Refusal("cuda:2"), Is.EqualTo("There is no cuda:2; this machine has 2 GPUs, cuda:0 to cuda:1."));
            Assert.That(Refusal("gpu"), Is.EqualTo("\"gpu\" is not a device. Use auto, simulator, ptx, or cuda: and the number of a GPU, such as cuda:0."));
            Assert.That(Refusal("cuda:-1"), Does.StartWith("\"cuda:-1\" is not a device."));
            RecordingCudaDriver.Capability = (6, 1);
            Assert.That(Refusal("cuda:0"), Is.EqualTo(
                "cuda:0 (Recorder) has compute capability 6.1, and kernels need 7.0 or later. Use another GPU or the simulator."));
            RecordingCudaDriver.DriverVersion = 10020;
            Assert.That(Refusal("cuda:0"), Is.EqualTo(
                "The NVIDIA driver is for CUDA 10.2, and kernels need one for CUDA 11.0 or later. Update the driver, or use the simulator."));
            RecordingCudaDriver.Failure = ("init", 100);
            Assert.That(Refusal("cuda:0"), Is.EqualTo("cuda:0 cannot be used: the NVIDIA driver finds no GPU. Use the simulator."));
            driver = null!;
            Assert.That(Refusal("cuda:0"), Is.EqualTo("cuda:0 cannot be used: no NVIDIA driver is installed. Install one, or use the simulator."));
        }
    }

    [Test]
    public void a_refused_call_says_kernel_shape_device_and_reason()
    {
        using var device = KernelDevice.Open("cuda:0", driver);
        using var buffer = device.Allocate<float>(4);
        RecordingCudaDriver.Failure = ("load", 218);
        Assert.That(() => device.Load(Affine), Throws.TypeOf<DeviceException>().With.Message.EqualTo(
            "The driver did not accept CudaDeviceTests.Affine for cuda:0 (Recorder): CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered). ptxas fatal: line 1"));
        RecordingCudaDriver.Failure = ("launch", 700);
        using var again = KernelDevice.Open("cuda:0", driver);
        Assert.That(
            () => again.Load(Affine).Launch(new LaunchShape(5, 32), buffer.Vector, buffer.Vector, 1, 1f, 1L),
            Throws.TypeOf<DeviceException>().With.Message.EqualTo(
                "CudaDeviceTests.Affine as 5 x 1 blocks of 32 threads did not start on cuda:0 (Recorder): " +
                "CUDA_ERROR_ILLEGAL_ADDRESS (an illegal memory access was encountered). The cause may be a kernel that ran before it."));
        Assert.That(RecordingCudaDriver.Current, Is.EqualTo(RecordingCudaDriver.OtherContext), "the thread has its context back after an error");
        RecordingCudaDriver.Failure = ("allocate", 2);
        Assert.That(() => device.Allocate<double>(1000), Throws.TypeOf<DeviceException>().With.Message.StartsWith("8,000 bytes could not be allocated on cuda:0 (Recorder)"));
    }

    [Test]
    public void a_tensor_core_kernel_is_refused_where_there_are_none()
    {
        RecordingCudaDriver.Capability = (7, 5);
        using var device = KernelDevice.Open("cuda:0", driver);
        Assert.That(device.HasTensorCores, Is.False);
        Assert.That(() => device.Load(NeedsTensorCores), Throws.TypeOf<DeviceException>().With.Message.EqualTo(
            "CudaDeviceTests.NeedsTensorCores needs compute capability 8.0, and cuda:0 (Recorder) has 7.5."));
    }

    private string Refusal(string device)
    {
        try
        {
            using var opened = KernelDevice.Open(device, driver);
            return $"{opened.Name} opened";
        }
        catch (DeviceException exception)
        {
            return exception.Message;
        }
    }

    [Kernel(64)]
    private static void Affine(ArrayView<float> input, ArrayView<float> output, int length, float slope, long offset)
    {
        var i = (Grid.IdxX * Group.DimX) + Group.IdxX;
        if (i < length)
        {
            output[i] = (slope * input[i]) + offset;
        }
    }

    [Kernel(64, NeedsTensorCores = true)]
    private static void NeedsTensorCores(ArrayView<float> output) => output[Group.IdxX] = 1;
}
