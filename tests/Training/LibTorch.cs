using Pascl.Training;
using Pascl.Training.Interop;

namespace Pascl.Tests.Training;

/// <summary>Skips everything that needs libtorch on a machine that has none, such as one where the bundle was unpacked to run the kernels alone.</summary>
[SetUpFixture]
[Parallelizable(ParallelScope.Self | ParallelScope.Fixtures)] // Otherwise the fixtures below wait until all others have ended.
internal sealed class LibTorch
{
    [OneTimeSetUp]
    public void RequireLibTorch()
    {
        try
        {
            NativeLibTorch.EnsureLoaded();
        }
        catch (InputException exception)
        {
            Assert.Ignore(exception.Message);
        }
    }
}
