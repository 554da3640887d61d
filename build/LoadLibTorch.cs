using System.Runtime.CompilerServices;
using Pascl.Training;
using Pascl.Training.Interop;

namespace Pascl;

/// <summary>Compiled into every program that uses TorchSharp: loads the native libraries before TorchSharp's own loader runs.</summary>
file static class LoadLibTorch
{
    [ModuleInitializer]
    internal static void Run()
    {
        try
        {
            NativeLibTorch.EnsureLoaded();
        }
        catch (InputException)
        {
            // Kernels run without libtorch. Whatever needs it calls EnsureLoaded again and gets the same exception.
        }
    }
}
