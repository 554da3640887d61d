using System.Runtime.CompilerServices;

/// <summary>
/// What .NET calls before the main method of a program in F# or Visual Basic: the package's build files name this assembly as a startup hook there, because those
/// compilers know no module initializers (programs in C# get build/LoadLibTorch.cs). .NET asks for this name, outside any namespace.
/// </summary>
internal static class StartupHook
{
    /// <summary>Loads libtorch before TorchSharp looks for it, by running this assembly's own module initializer.</summary>
    public static void Initialize() => RuntimeHelpers.RunModuleConstructor(typeof(StartupHook).Module.ModuleHandle);
}
