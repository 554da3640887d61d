using System.Text;

namespace Pascl.Kernels.Device;

/// <summary>A kernel on a GPU: a launch is one call of the driver and allocates nothing.</summary>
internal sealed unsafe class CudaKernel : Kernel
{
    private readonly CudaDevice device;
    private readonly CudaDriver driver;
    private readonly nint module;
    private readonly nint function;
    private int allowedSharedBytes;

    public CudaKernel(CudaDevice device, CudaDriver driver, PtxKernel kernel)
        : base(device, kernel.Definition)
    {
        (this.device, this.driver) = (device, driver);
        using var current = device.Enter();
        module = driver.LoadModule(Encoding.UTF8.GetBytes(kernel.Text + '\0'), $"{kernel.Definition.Name} for {device.Name}");
        function = driver.Function(module, Encoding.UTF8.GetBytes(kernel.EntryPoint + '\0'), kernel.Definition.Name);
    }

    public void Unload() => driver.UnloadModule(module);

    private protected override void Run(LaunchShape shape, ReadOnlySpan<KernelArgument> arguments)
    {
        using var current = device.Enter();
        if (shape.SharedBytes > allowedSharedBytes)
        {
            driver.AllowSharedBytes(function, shape.SharedBytes, $"{Definition.Name} on {device.Name}");
            allowedSharedBytes = shape.SharedBytes;
        }

        fixed (KernelArgument* first = arguments)
        {
            var parameters = stackalloc void*[arguments.Length];
            for (var i = 0; i < arguments.Length; i++)
            {
                parameters[i] = first + i;
            }

            var result = driver.Launch(function, shape, parameters);
            if (result != 0)
            {
                throw new DeviceException(
                    $"{Definition.Name} as {shape} did not start on {device.Name}: {driver.Describe(result)}. The cause may be a kernel that ran before it.");
            }
        }
    }
}
