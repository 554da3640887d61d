namespace Pascl.Training.Interop;

/// <summary>Where the native libraries came from.</summary>
/// <param name="LibTorchFolder">The folder of libtorch; empty where loading is left to TorchSharp.</param>
/// <param name="ShimPath">TorchSharp's native shim.</param>
/// <param name="Status">How the shim was loaded.</param>
/// <param name="WaitPolicy">How the threads of libtorch's arithmetic wait for each other, and who chose it.</param>
public sealed record NativeLibTorchReport(string LibTorchFolder, string ShimPath, string Status, string WaitPolicy);
