using Pascl.Training;
using Pascl.Training.Interop;

/// <summary>
/// What .NET calls before the main method of a program in F# or Visual Basic: the package's build files name this assembly as a startup hook there, because those
/// compilers know no module initializers (programs in C# get build/LoadLibTorch.cs). .NET asks for this name, outside any namespace.
/// </summary>
internal static class StartupHook
{
    /// <summary>Loads libtorch before TorchSharp looks for it.</summary>
    public static void Initialize()
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
