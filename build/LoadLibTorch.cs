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
        catch (InputException exception)
        {
            Console.Error.WriteLine(exception.Message);
            Environment.Exit(2);
        }
    }
}
