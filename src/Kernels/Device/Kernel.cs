using System.Reflection;

namespace Pascl.Kernels.Device;

/// <summary>A kernel compiled for one device.</summary>
public abstract class Kernel
{
    private readonly KernelDevice device;
    private readonly ParameterInfo[] parameters;
    private readonly nint[] types;

    private protected Kernel(KernelDevice device, KernelDefinition definition)
    {
        this.device = device;
        Definition = definition;
        parameters = definition.Method.GetParameters();
        types = [.. parameters.Select(parameter => parameter.ParameterType.TypeHandle.Value)];
        IsView = [.. parameters.Select(parameter => parameter.ParameterType.IsGenericType)];
    }

    /// <summary>What was compiled.</summary>
    public KernelDefinition Definition { get; }

    private protected bool[] IsView { get; }

    /// <summary>Runs the kernel after everything launched before; on a GPU the call returns before the kernel has finished.</summary>
    /// <param name="shape">Blocks and threads.</param>
    /// <param name="arguments">One per parameter, of its type.</param>
    /// <exception cref="ArgumentException">An argument is missing or of another type, or the shape is not possible.</exception>
    /// <exception cref="DeviceException">The device refused the launch, or an earlier one failed.</exception>
    public void Launch(LaunchShape shape, params ReadOnlySpan<KernelArgument> arguments)
    {
        if (shape.Columns < 1 || shape.Rows is < 1 or > 65535 || shape.Threads < 1 || shape.Threads > Definition.Threads || shape.Threads % 32 != 0)
        {
            throw new ArgumentException(
                $"{Definition.Name} cannot run as {shape}: it needs at least one block, at most 65,535 rows of them, and a multiple of 32 threads up to {Definition.Threads}.");
        }

        if (arguments.Length != types.Length)
        {
            throw new ArgumentException($"{Definition.Name} takes {types.Length} arguments, not {arguments.Length}.");
        }

        for (var i = 0; i < types.Length; i++)
        {
            if (!arguments[i].Is(types[i]))
            {
                throw new ArgumentException($"{Definition.Name} takes {Describe(parameters[i].ParameterType)} as {parameters[i].Name}, not {Describe(arguments[i].Type)}.");
            }
        }

        if (device.LaunchObserver is { } observer)
        {
            RunObserved(shape, arguments, observer);
        }
        else
        {
            Run(shape, arguments);
        }

        device.CountLaunch();
    }

    private protected abstract void Run(LaunchShape shape, ReadOnlySpan<KernelArgument> arguments);

    private void RunObserved(LaunchShape shape, ReadOnlySpan<KernelArgument> arguments, Action<KernelLaunch> observer)
    {
        var bytes = 0L;
        foreach (var argument in arguments)
        {
            bytes += argument.ArrayBytes;
        }

        var begin = device.Record();
        Run(shape, arguments);
        observer(new KernelLaunch(Definition, bytes, begin, device.Record()));
    }

    private static string Describe(Type type) => type.IsGenericType ? $"a view of {type.GetGenericArguments()[0].Name}" : $"a number of type {type.Name}";
}
