using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Running;
using Pascl.Training;
using Pascl.Training.Interop;

try
{
    NativeLibTorch.EnsureLoaded();
}
catch (InputException exception)
{
    Console.Error.WriteLine(exception.Message);
    return 2;
}

// In this process: a process that BenchmarkDotNet generates would not know where the build put libtorch.
BenchmarkSwitcher.FromAssembly(typeof(Program).Assembly).Run(args, DefaultConfig.Instance.AddJob(Job.InProcess.AsMutator()));
return 0;
