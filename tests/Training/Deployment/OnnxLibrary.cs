using System.Runtime.InteropServices;
using Microsoft.ML.OnnxRuntime;

namespace Pascl.Tests.Training.Deployment;

/// <summary>ONNX Runtime's library, which the bundle for GPU machines leaves out.</summary>
internal static class OnnxLibrary
{
    public static void Require()
    {
        if (!NativeLibrary.TryLoad("onnxruntime", typeof(InferenceSession).Assembly, null, out _))
        {
            Assert.Ignore("libonnxruntime.so is not beside the tests, so no ONNX model can be run; run the tests from a build of the repository, since the bundle leaves it out.");
        }
    }
}
